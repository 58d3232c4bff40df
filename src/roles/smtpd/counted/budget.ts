// Memory that connections share, given out in the order in which it is asked for.

export class Budget {
  #free: number;
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = [];

  constructor(bytes: number) {
    this.#free = bytes;
  }

  /** Resolves when there are so many bytes, which are no more than there ever are; what it gives must be called once to give them back. */
  async take(bytes: number): Promise<() => void> {
    if (this.#waiting.length > 0 || bytes > this.#free)
      await new Promise<void>((go) => void this.#waiting.push({ bytes, go }));
    else this.#free -= bytes;
    return () => this.#give(bytes);
  }

  #give(bytes: number): void {
    this.#free += bytes;
    for (let first = this.#waiting[0]; first && first.bytes <= this.#free; first = this.#waiting[0]) {
      this.#free -= first.bytes;
      this.#waiting.shift();
      first.go();
    }
  }
}
