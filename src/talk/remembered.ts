// Remembered: what another role answered is believed for a moment, and asked once for all who want to know it meanwhile.

import type { Clock } from "#base/clock.ts";

export interface RememberedOptions<A> {
  readonly clock: Clock;
  /** How long an answer is believed, ms. */
  readonly life: number;
  /** Answers kept at most. */
  readonly entries: number;
  readonly ask: (key: string) => Promise<A>;
  /** Answers that are given on only to those who waited for them: what is not there may be made in the next moment. */
  readonly fleeting: (answer: A) => boolean;
}

interface Known<A> {
  readonly answer: Promise<A>;
  readonly until: number;
}

export class Remembered<A> {
  readonly #options: RememberedOptions<A>;
  readonly #known = new Map<string, Known<A>>();

  constructor(options: RememberedOptions<A>) {
    this.#options = options;
  }

  /** The answer; rejects with what `ask` rejected with, which is not remembered. */
  get(key: string): Promise<A> {
    const { clock, life, entries, ask, fleeting } = this.#options;
    const now = clock.monotonic();
    const before = this.#known.get(key);
    if (before && before.until > now) return before.answer;
    const answer = ask(key);
    // bounded by forgetting everything: the next answers are as cheap as the first ones
    if (this.#known.size >= entries) this.#known.clear();
    const known = { answer, until: now + life };
    this.#known.set(key, known);
    const forget = () => {
      if (this.#known.get(key) === known) this.#known.delete(key);
    };
    answer.then((given) => fleeting(given) && forget(), forget);
    return answer;
  }
}
