// Pool: one copy of each text that comes again and again, where there are very many owners of it.

/** Remembers up to `most` texts; when there are more, it begins again, and what it gave before stays as it is. */
export class Pool {
  readonly #most: number;
  readonly #known = new Map<string, string>();

  constructor(most: number) {
    this.#most = most;
  }

  /** A text equal to this one: the first that came, if it is still known. */
  share(text: string): string {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    if (this.#known.size >= this.#most) this.#known.clear();
    this.#known.set(text, text);
    return text;
  }
}
