// Fates: what local and reader tell the ledger of messages. Gathered and told together; nobody waits for that, and what cannot be told is lost,
// for it only helps to judge rules.

import { type Clock, type Timer, within } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf, Trouble } from "#base/problem.ts";
import type { Fate } from "#policy/replay/fate.ts";
import { Caller } from "./caller.ts";
import { became } from "./recall.ts";

const { fates: together, fatesWaiting, fatesGather, retry, away, note } = limits.ledger;

export interface FateTellerOptions {
  /** Where the ledger answers. */
  readonly path: string;
  readonly clock: Clock;
  /** The ledger does not listen; told once until it does again. */
  readonly trouble: (text: string) => void;
}

export class FateTeller {
  readonly #options: FateTellerOptions;
  readonly #caller: Caller;
  #waiting: Fate[] = [];
  #timer: Timer | undefined;
  #telling: Promise<void> | undefined;
  #complained = false;
  #closed = false;

  constructor(options: FateTellerOptions) {
    this.#options = options;
    this.#caller = new Caller(options);
  }

  /** Never waits, never throws. */
  tell(fate: Fate): void {
    if (this.#waiting.length >= fatesWaiting) return;
    this.#waiting.push(fate);
    this.#soon(fatesGather);
  }

  /** Tells what is left, if that takes no more than a moment, and hangs up. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    const told = (this.#telling ?? Promise.resolve()).then(() => this.#tell());
    await within(this.#options.clock, away, told, () => {});
    this.#caller.close();
  }

  #soon(ms: number): void {
    if (this.#telling || this.#closed) return;
    this.#timer ??= this.#options.clock.after(ms, () => {
      this.#timer = undefined;
      this.#telling = this.#tell().finally(() => {
        this.#telling = undefined;
        if (this.#waiting.length > 0) this.#soon(this.#complained ? retry : fatesGather);
      });
    });
  }

  async #tell(): Promise<void> {
    const fates = this.#waiting.slice(0, together);
    if (fates.length === 0) return;
    try {
      await this.#caller.ask(became, { fates }, note);
      this.#waiting.splice(0, fates.length);
      this.#complained = false;
    } catch (thrown) {
      if (!(thrown instanceof Trouble)) throw thrown;
      if (!this.#complained)
        this.#options.trouble(
          `The ledger does not hear what becomes of messages, and will be told again: ${messageOf(thrown)}`,
        );
      this.#complained = true;
    }
  }
}
