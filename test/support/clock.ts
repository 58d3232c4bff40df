// A clock that stands still until the test moves it.

import type { Clock, Timer } from "#base/clock.ts";

interface Due {
  at: number;
  action: () => void;
}

export class FakeClock implements Clock {
  #now: number;
  #due: Due[] = [];

  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(ms: number, action: () => void): Timer {
    const due = { at: this.#now + ms, action };
    this.#due.push(due);
    return { cancel: () => void (this.#due = this.#due.filter((each) => each !== due)) };
  }

  /** Times at which something is due, ms since 1970, in order. */
  get pending(): readonly number[] {
    return this.#due.map((each) => each.at).sort((a, b) => a - b);
  }

  /** Moves on by `ms`, running what falls due in its order, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      const next = this.#due.filter((each) => each.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#due = this.#due.filter((each) => each !== next);
      this.#now = Math.max(this.#now, next.at);
      next.action();
    }
    this.#now = end;
    await settle();
  }

  /** Sets the clock to any time, as a jump does: nothing becomes due by it. */
  jump(to: number): void {
    this.#now = to;
  }
}

/** Lets everything that is ready to go on go on. */
export async function settle(rounds = 20): Promise<void> {
  for (let round = 0; round < rounds; round++) await new Promise((resolve) => setImmediate(resolve));
}
