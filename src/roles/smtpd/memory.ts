// Memory: the ledger as the rules of policy see it from here. When it is away or slow, nobody is known, and nobody waits.

import { type Clock, within } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf, Trouble } from "#base/problem.ts";
import type { Logger } from "#log/logger.ts";
import { forgetful, type Memory, stranger } from "#policy/facts.ts";
import type { SessionRecord } from "#policy/replay/record.ts";
import { Caller, type Verb } from "#talk/caller.ts";
import * as recall from "#talk/recall.ts";

const { patience, away, notes, note } = limits.ledger;

export class LedgerMemory implements Memory {
  readonly #caller: Caller;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** It is not asked again before this, on the monotonic clock. */
  #awayUntil = 0;
  #told = false;
  /** What it is being told. */
  readonly #telling = new Set<Promise<void>>();

  constructor(path: string, clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
    this.#caller = new Caller({ path, clock });
  }

  async meet(client: { readonly address: string }): ReturnType<Memory["meet"]> {
    const met = await this.#ask(recall.meet, { address: client.address });
    return met ? { ...met, ban: met.ban } : stranger;
  }

  async correspondent(address: string): Promise<boolean> {
    return (await this.#ask(recall.correspondent, { address }))?.known ?? forgetful.correspondent(address);
  }

  async greylist(who: string, sender: string, recipient: string): ReturnType<Memory["greylist"]> {
    const answer = await this.#ask(recall.greylist, { who, sender, recipient });
    return answer ?? forgetful.greylist(who, sender, recipient);
  }

  async regard(names: Parameters<Memory["regard"]>[0]): ReturnType<Memory["regard"]> {
    return (await this.#ask(recall.regard, names)) ?? forgetful.regard(names);
  }

  /** Tells it how a session went; nobody waits for that. */
  note(session: SessionRecord): void {
    this.#tell(recall.note, session);
  }

  /** Tells it to whom one of our users wrote. */
  wrote(recipients: readonly string[]): void {
    this.#tell(recall.wrote, { recipients });
  }

  /** Waits a moment for what it is being told, and hangs up. */
  async close(): Promise<void> {
    const told = Promise.all(this.#telling);
    await within(this.#clock, away, told, () => {});
    this.#caller.close();
  }

  /** Undefined: it did not answer in time. */
  async #ask<Q, A>(verb: Verb<Q, A>, question: Q): Promise<A | undefined> {
    if (this.#clock.monotonic() < this.#awayUntil) return undefined;
    try {
      const answer = await within(
        this.#clock,
        patience,
        this.#caller.ask(verb, question, limits.ledger.note),
        () => {
          throw Trouble.timeout("ask the ledger", patience);
        },
      );
      this.#told = false;
      return answer;
    } catch (thrown) {
      if (!(thrown instanceof Trouble)) throw thrown;
      this.#awayUntil = this.#clock.monotonic() + away;
      if (!this.#told)
        this.#log.event("trouble", {
          reason: `The ledger does not answer, so nobody is known for a while: ${messageOf(thrown)}`,
        });
      this.#told = true;
      return undefined;
    }
  }

  #tell<Q, A>(verb: Verb<Q, A>, question: Q): void {
    // what it does not hear of it will not remember: no more than that is lost
    if (this.#telling.size >= notes) return;
    const telling: Promise<void> = this.#caller
      .ask(verb, question, note)
      .then(
        () => {},
        () => {},
      )
      .finally(() => this.#telling.delete(telling));
    this.#telling.add(telling);
  }
}
