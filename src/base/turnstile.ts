// Turnstile: so many pieces of work at a time, whoever brings them; the others wait in their order.

export class Turnstile {
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  #inside = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Does the work when there is room; what it gives or throws. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    // whoever leaves gives his place to the first who waits
    if (this.#inside >= this.#most) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#inside++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#inside--;
    }
  }
}
