// Orders: what an administrator does to messages: hold, release, bounce, remove (docs/queue.md O1–O4, Q13).

import { type Clock, pause } from "#base/clock.ts";
import type { Logger } from "#log/logger.ts";
import type { Journal } from "#store/spool/journal.ts";
import type { Count, Order } from "#talk/queuecontrol.ts";
import type { Outcome } from "#wire/envelope.ts";
import type { Attempt, Dispatch } from "./dispatch.ts";
import type { Entries, Entry, RecipientEntry, Task } from "./entries.ts";
import type { Settle } from "./settle.ts";

export interface OrdersOptions {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly entries: Entries;
  readonly log: Logger;
  readonly dispatch: Dispatch;
  readonly settle: Settle;
}

/** Messages handled in one turn of the event loop: others want to be served too. */
const TOGETHER = 200;

/** How often we look whether compaction has copied a message. */
const MOVING = 20;

/** What the bounce says, and what the last attempt had brought. */
function givenUp({ code, text }: RecipientEntry): Outcome {
  const last = text === "" ? "" : `; the last attempt ended with: ${code} ${text}`;
  return {
    kind: "failed",
    // RFC 3463 has no code for this
    why: { code: "5.0.0", text: `The administrator of this server has returned the message${last}` },
  };
}

export class Orders {
  readonly #options: OrdersOptions;

  constructor(options: OrdersOptions) {
    this.#options = options;
  }

  /** Does it to those that are still in the queue; resolves, with how many they were, when that is durable. */
  async run(order: Order, chosen: readonly string[]): Promise<Count> {
    const count = { messages: 0, recipients: 0, running: 0 };
    const durable: Promise<void>[] = [];
    for (let at = 0; at < chosen.length; at += TOGETHER) {
      const live: Entry[] = [];
      const ids = chosen.slice(at, at + TOGETHER);
      if (order === "bounce" || order === "remove") await this.#stand(ids);
      for (const id of ids) {
        const entry = this.#options.entries.wake(id);
        // settled meanwhile, or about to be
        if (!entry || entry.tasks.length === 0) continue;
        live.push(entry);
        count.messages++;
        count.recipients += entry.tasks.reduce((sum, { waiting }) => sum + waiting.length, 0);
        if (entry.tasks.some(({ flying }) => flying)) count.running++;
        this.#options.log.event("queue_order", { id: entry.id, order });
      }
      durable.push(...this.#give(order, live));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(durable);
    if (order === "bounce") await this.#options.settle.idle();
    return count;
  }

  /** An attempt has ended: as its outcomes say, but for messages about which there was an order meanwhile. */
  landed(task: Task, attempt: Attempt): void {
    const { entries, settle, log } = this.#options;
    const { entry } = task;
    if (entries.has(entry.id)) {
      return settle.settle(task, entry.doomed ? { ...attempt, outcomes: doomed(task, attempt) } : attempt);
    }
    for (const index of task.waiting) {
      const outcome = attempt.outcomes.get(index)?.kind ?? "deferred";
      log.event("queue_delivery", {
        id: entry.id,
        to: entry.recipients[index]?.address,
        outcome,
        text: "This message was removed meanwhile",
      });
    }
  }

  /** Waits while a copy of a record of theirs is made: only one of us may release that. */
  async #stand(ids: readonly string[]): Promise<void> {
    const { clock, entries } = this.#options;
    while (ids.some((id) => entries.isMoving(id))) await pause(clock, MOVING);
  }

  /** Each promise resolves when a part is durable. */
  #give(order: Order, live: readonly Entry[]): readonly Promise<void>[] {
    const { dispatch, settle, entries } = this.#options;
    switch (order) {
      case "hold":
        return live.map((entry) => {
          entry.held = true;
          dispatch.rest(entry);
          return this.#note(entry, true);
        });
      case "release":
        return live.map(async (entry) => {
          entry.held = false;
          await this.#note(entry, false);
          const again = entries.wake(entry.id);
          if (again) dispatch.unpark(again);
        });
      case "remove":
        return live.map((entry) => settle.remove(entry));
      case "bounce":
        return live.map((entry) => this.#bounce(entry));
    }
  }

  #note({ id }: Entry, held: boolean | undefined): Promise<void> {
    return new Promise((resolve) =>
      this.#options.journal.progress({ id, warned: false, held, recipients: [] }, "now", resolve),
    );
  }

  /** What is not under way fails now, what is when it lands. */
  #bounce(entry: Entry): Promise<void> {
    entry.doomed = true;
    const started = this.#options.clock.now();
    for (const task of [...entry.tasks]) {
      if (task.flying) continue;
      const outcomes = doomed(task, { started, local: false, outcomes: new Map() });
      this.#options.settle.settle(task, { started, local: false, outcomes });
    }
    // records are written in their order: when this one is durable, so is what was said above
    return this.#note(entry, undefined);
  }
}

/** The outcomes of an attempt, with whom it did not reach failed for good. */
function doomed(task: Task, attempt: Attempt): Attempt["outcomes"] {
  const outcomes = new Map(attempt.outcomes);
  for (const index of task.waiting) {
    const recipient = task.entry.recipients[index];
    const outcome = outcomes.get(index);
    if (!recipient || (outcome && outcome.kind !== "deferred")) continue;
    const last = outcome?.kind === "deferred" ? { ...recipient, ...outcome.why } : recipient;
    outcomes.set(index, givenUp(last));
  }
  return outcomes;
}
