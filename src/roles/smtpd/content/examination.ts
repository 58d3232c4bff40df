// Examination: one message before one checker, from the header to the finding. It takes the body as fast as the checker does, holds the checker
// to its time, and never rejects: what goes wrong is a finding too.

import { type Clock, within } from "#base/clock.ts";
import { messageOf } from "#base/problem.ts";
import type { Checker, Dialogue, Finding, Subject } from "./checker.ts";

/** What is known in the end. */
export type Outcome =
  | Finding
  /** Nobody knows: it was away, too slow, broken. */
  | { readonly kind: "unknown"; readonly why: string };

export class Examination {
  readonly checker: Checker;
  /** When it is known. */
  outcome: Outcome | undefined;
  /** ms that the message has waited for the checker. */
  waited = 0;
  readonly #clock: Clock;
  readonly #dialogue: Dialogue;
  /** One step after the other. */
  #work: Promise<void>;

  /** Begins at once. */
  constructor(checker: Checker, subject: Subject, clock: Clock) {
    this.checker = checker;
    this.#clock = clock;
    this.#dialogue = checker.open(subject);
    this.#work = this.#step(() => this.#dialogue.begin());
  }

  /** Takes the next parts of the body, which must not change before the promise resolves. Undefined: it wants none. */
  write(parts: readonly Buffer[]): Promise<void> | undefined {
    if (this.outcome) return undefined;
    return this.#next(async () => {
      for (const part of parts) {
        const finding = await this.#dialogue.part(part);
        if (finding) return finding;
      }
      return undefined;
    });
  }

  /** The message is whole. */
  async finish(): Promise<Outcome> {
    await this.#next(() => this.#dialogue.end());
    return this.outcome ?? { kind: "unknown", why: "It says nothing" };
  }

  /** Nobody wants to know any more. */
  abort(): void {
    this.#settle({ kind: "unknown", why: "Aborted" });
  }

  #next(run: () => Promise<Finding | undefined>): Promise<void> {
    this.#work = this.#work.then(() => (this.outcome ? undefined : this.#step(run)));
    return this.#work;
  }

  async #step(run: () => Promise<Finding | undefined>): Promise<void> {
    const began = this.#clock.monotonic();
    const late: Outcome = { kind: "unknown", why: `It took longer than ${this.checker.timeout} ms` };
    const left = Math.max(0, this.checker.timeout - this.waited);
    try {
      const found = await within(this.#clock, left, run(), () => late);
      if (found) this.#settle(found);
    } catch (thrown) {
      this.#settle({ kind: "unknown", why: messageOf(thrown) });
    }
    this.waited += this.#clock.monotonic() - began;
  }

  #settle(outcome: Outcome): void {
    if (this.outcome) return;
    this.outcome = outcome;
    this.#dialogue.close();
  }
}
