// Settle: what an attempt's outcomes mean for its message: done, again later, or a bounce (docs/queue.md E1–E4).

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import type { SliceOf } from "#config/slice.ts";
import type { Logger } from "#log/logger.ts";
import type { Journal, Urgency } from "#store/spool/journal.ts";
import { bodyPath } from "#store/spool/source.ts";
import { bornAt } from "#store/spool/state.ts";
import type { Disk } from "#sys/disk.ts";
import type { Outcome } from "#wire/envelope.ts";
import { delayNotice, finalNotice, type Notice, writeNotice } from "./bounce.ts";
import type { Attempt } from "./dispatch.ts";
import { type Entries, type Entry, progressOf, type RecipientEntry, type Task } from "./entries.ts";
import { stateBehind } from "./forward.ts";
import { isLast, nextAttempt, SKIP } from "./schedule.ts";
import { actionFor, isOverdue, nextWith, untilOf, warnedAt } from "./wishes.ts";

export interface SettleOptions {
  readonly clock: Clock;
  readonly disk: Disk;
  /** The spool directory. */
  readonly spool: string;
  readonly journal: Journal;
  readonly entries: Entries;
  readonly log: Logger;
  readonly slice: () => SliceOf<"queue">;
  /** An id for mail of our own. */
  readonly id: () => string;
  /** Takes a task until it is due. */
  readonly submit: (task: Task) => void;
  /** From 0 to 1; spreads retries. */
  readonly random: () => number;
}

/** Retries of remote mail come up to this much later; less than what would change the next step of the schedule. */
const JITTER = 10_000;

const silent: Outcome = { kind: "deferred", why: { code: "4.3.0", text: "The delivery brought no outcome" } };

export class Settle {
  readonly #options: SettleOptions;
  /** Notices are made one after the other: each holds a message's start in memory. */
  #notices: Promise<void> = Promise.resolve();

  constructor(options: SettleOptions) {
    this.#options = options;
  }

  /** Takes the outcomes of an attempt; the task goes back when somebody still waits. */
  settle(task: Task, attempt: Attempt): void {
    const { entry } = task;
    const { journal } = this.#options;
    const due = this.#nextFor(entry, attempt);
    const tried = task.waiting;
    for (const index of tried) this.#outcome(entry, index, attempt);
    task.waiting = tried.filter((index) => entry.recipients[index]?.state === "waiting");
    task.due = due;
    if (task.waiting.length === 0) entry.tasks = entry.tasks.filter((each) => each !== task);
    const urgency = attempt.local ? "soon" : "now";
    if (entry.tasks.length === 0 && entry.recipients.every((each) => !this.#isToBeTold(entry, each))) {
      return this.#end(entry, urgency);
    }
    const recipients = tried.map((index) => progressOf(entry, index, due));
    const changed = task.waiting.length < tried.length;
    journal.progress({ id: entry.id, warned: false, recipients }, changed ? urgency : "soon");
    if (entry.tasks.length === 0) return this.finish(entry);
    if (task.waiting.length > 0) {
      this.warn(entry);
      this.#options.submit(task);
    }
  }

  /** Nobody waits any more: ends the message, with a notice where its sender is to hear of it. */
  finish(entry: Entry): void {
    const notice = finalNotice(entry, this.#options.slice().hostname);
    if (notice) return this.#notice(entry, notice);
    if (entry.recipients.some(({ state }) => state === "failed"))
      this.#options.log.event("queue_discard", { id: entry.id });
    this.#end(entry, "soon");
  }

  /** Somebody may have to be told of this recipient; `finish` knows who. */
  #isToBeTold({ envelope }: Entry, recipient: RecipientEntry): boolean {
    return recipient.state === "failed" || actionFor(recipient, envelope) !== undefined;
  }

  /** O3: ends a message of which nothing more is to be done and nobody is told. Resolves when that is durable. */
  remove(entry: Entry): Promise<void> {
    entry.tasks = [];
    return new Promise((resolve) => this.#end(entry, "now", resolve));
  }

  /** Resolves when all notices are in the journal. */
  idle(): Promise<void> {
    return this.#notices;
  }

  /** When those who stay deferred are tried again. */
  #nextFor(entry: Entry, attempt: Attempt): number {
    const now = this.#options.clock.now();
    const skip = attempt.local ? SKIP.local : SKIP.remote;
    const jitter = attempt.local ? 0 : Math.floor(this.#options.random() * JITTER);
    return nextWith(entry, nextAttempt(bornAt(entry), now, skip) + jitter, now);
  }

  #outcome(entry: Entry, index: number, attempt: Attempt): void {
    const recipient = entry.recipients[index];
    if (!recipient) return;
    const outcome = attempt.outcomes.get(index) ?? silent;
    recipient.attempts++;
    this.#apply(entry, recipient, { ...attempt, outcome });
    this.#options.log.event("queue_delivery", {
      id: entry.id,
      to: recipient.address,
      outcome: recipient.state === "waiting" ? "deferred" : recipient.state,
      status: recipient.code,
      text: recipient.text,
      attempts: recipient.attempts,
    });
  }

  #apply(
    entry: Entry,
    recipient: RecipientEntry,
    { outcome, started, local }: Omit<Attempt, "outcomes"> & { readonly outcome: Outcome },
  ): void {
    const { clock, slice } = this.#options;
    if (outcome.kind === "delivered") {
      recipient.state = local ? "delivered" : outcome.handedOn ? "handed" : "relayed";
      recipient.code = "2.0.0";
      recipient.text = outcome.by.slice(0, limits.queue.statusText);
      return;
    }
    if (outcome.kind === "forwarded") {
      // as the record of what goes on has it (Q14)
      recipient.state = stateBehind(outcome.letter);
      recipient.code = "2.0.0";
      recipient.text = outcome.by.slice(0, limits.queue.statusText);
      return;
    }
    recipient.code = outcome.why.code;
    recipient.text = outcome.why.text.slice(0, limits.queue.statusText);
    if (outcome.kind === "failed") recipient.state = "failed";
    else if (isOverdue(entry, clock.now())) {
      recipient.state = "failed";
      recipient.code = "5.4.7";
      recipient.text += " I'm not going to try again; the time that the sender set for it is over.";
    } else if (isLast(bornAt(entry), started, slice().lifetime)) {
      recipient.state = "failed";
      // RFC 3463 §3.5: X.4.7, delivery time expired
      recipient.code = "5.4.7";
      recipient.text += " I'm not going to try again; this message has been in the queue too long.";
    }
  }

  /** E2, E4 */
  #end(entry: Entry, urgency: Urgency, done: () => void = () => {}): void {
    const { journal, entries, log } = this.#options;
    entries.remove(entry);
    journal.end(entry.id, urgency, () => {
      this.#ended(entry);
      done();
    });
    log.event("queue_end", { id: entry.id });
  }

  #ended(entry: Entry): void {
    const { journal, disk, spool } = this.#options;
    journal.release(entry.kept);
    if (entry.kept.place.kind !== "file") return;
    // one that stays is an orphan, which the next recovery removes (R4)
    disk.remove(bodyPath(spool, entry.kept.place.name)).catch((thrown: unknown) => this.#trouble(thrown));
  }

  /** RFC 5321 §4.5.4.1 suggests to tell senders of a delay; once. */
  warn(entry: Entry): void {
    if (entry.warned || this.#options.clock.now() < warnedAt(entry)) return;
    const notice = delayNotice(entry, entry.envelope.deliverBy?.mode === "notify");
    if (!notice) return;
    entry.warned = true;
    this.#notice(entry, notice);
  }

  #notice(entry: Entry, notice: Notice): void {
    entry.readers++;
    this.#notices = this.#notices
      .then(() => this.#send(entry, notice))
      .catch((thrown: unknown) => this.#trouble(thrown))
      .finally(() => {
        entry.readers--;
        this.#options.entries.rest(entry);
      });
  }

  async #send(entry: Entry, notice: Notice): Promise<void> {
    const { journal, entries, log, disk, spool, clock, slice, submit } = this.#options;
    // settled while this waited for its turn: there is no delay to warn of
    if (notice.kind === "delayed" && !entries.has(entry.id)) return;
    const now = clock.now();
    const id = this.#options.id();
    const until = untilOf(entry, slice().lifetime);
    const trouble = (message: string) => this.#trouble(new Error(message));
    const { hostname } = slice();
    const written = await writeNotice(entry, notice, { disk, spool, hostname, id, now, until, trouble });
    if (notice.kind === "delayed" && !entries.has(entry.id)) return;
    // Q9: one record for the notice and for what it means for the message
    const kept = await journal.insist(written.head, written.body, "now");
    log.event("queue_bounce", { id: entry.id, bounce: id, to: notice.to });
    if (notice.kind !== "delayed") {
      entries.remove(entry);
      this.#ended(entry);
      log.event("queue_end", { id: entry.id });
    }
    for (const task of entries.add(written.head, kept).tasks) submit(task);
  }

  #trouble(thrown: unknown): void {
    this.#options.log.event("trouble", { text: messageOf(thrown) });
  }
}
