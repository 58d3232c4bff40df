// Dispatch: gives every task to local or remote when it is due, and what comes back to those who settle it (docs/queue.md D1–D3).

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import type { Caller } from "#talk/caller.ts";
import { type Delivered, deliver } from "#talk/deliver.ts";
import type { Outcome } from "#wire/envelope.ts";
import { senderFor } from "#wire/verp.ts";
import { Alarm } from "./alarm.ts";
import { type Entries, type Entry, recipientOf, type Task } from "./entries.ts";
import type { Reached } from "./lane.ts";
import { type Flight, type LaneLimits, Lanes } from "./lanes.ts";
import type { Routes } from "./routes.ts";
import { isOverdue, nextWith } from "./wishes.ts";

export interface DispatchOptions {
  readonly clock: Clock;
  readonly entries: Entries;
  readonly local: Caller;
  readonly remote: Caller;
  readonly routes: Routes;
  readonly limits: () => LaneLimits;
  /** What an attempt brought has come; it has ended when what is to go on from it is durable. Must not reject. */
  readonly pass: (task: Task, attempt: Attempt) => Attempt | Promise<Attempt>;
  /** An attempt that began at `started` has ended. Whoever settles it gives back what is to be tried again. */
  readonly settle: (task: Task, attempt: Attempt) => void;
  /** A message that was due is not tried, because its destination is left alone. */
  readonly waits: (entry: Entry) => void;
  /** Whether an attempt that begins now would be the last one. */
  readonly isOld: (entry: Entry) => boolean;
  readonly trouble: (message: string) => void;
}

export interface Attempt {
  readonly started: number;
  readonly local: boolean;
  /** By index; what is missing is deferred. */
  readonly outcomes: ReadonlyMap<number, Outcome>;
}

/** A message on whose account the link was lost this often counts as tried: it may be what kills the other role. */
const LOSSES = 3;

/** Messages called back in one turn of the event loop. */
const TOGETHER = 500;

/** How long a task waits whose message is being copied to another segment. */
const MOVING = 50;

/** The sender of a double bounce, as qmail has it; it stands in the queue only. */
export const DOUBLE = "#@[]";

export class Dispatch {
  readonly #options: DispatchOptions;
  readonly #alarm: Alarm;
  readonly #lanes: Lanes;
  #flying = 0;
  #stopped = false;
  #landed: (() => void)[] = [];
  #starting = false;

  constructor(options: DispatchOptions) {
    this.#options = options;
    const { clock, entries } = options;
    this.#alarm = new Alarm(clock, (slots) => {
      for (const slot of slots) this.#ring(slot);
    });
    entries.onGone = (slot) => this.#alarm.clear(slot);
    this.#lanes = new Lanes({ limits: options.limits, now: () => clock.now() });
  }

  /** Takes a task until it is due, and then until it has been tried. */
  submit(task: Task): void {
    if (this.#stopped) return;
    if (task.due > this.#options.clock.now()) this.#rest(task);
    else this.#route(task);
  }

  /** Takes packed messages until they are due; `begin` follows. */
  expect(slot: number, due: number): void {
    this.#alarm.set(slot, due);
  }

  begin(): void {
    this.#alarm.look();
  }

  /** No destination is left alone any more. */
  forgive(): void {
    this.#lanes.forgetBackoffs();
  }

  /** Makes what waits of these messages due now; how many recipients that are. Those of held messages stay. */
  hurry(ids: readonly string[]): number {
    const now = this.#options.clock.now();
    let recipients = 0;
    for (const id of ids) {
      const entry = this.#options.entries.wake(id);
      if (!entry) continue;
      if (!entry.held) {
        for (const task of entry.tasks) {
          if (!task.resting) continue;
          task.due = now;
          recipients += task.waiting.length;
        }
      }
      this.rest(entry);
    }
    this.#alarm.look();
    this.#go();
    return recipients;
  }

  /** Tasks of a message that rest are heard of when they are due, and when it is not held; if there is nothing else, it is packed. */
  rest(entry: Entry): void {
    const { entries } = this.#options;
    if (this.#stopped || !entries.isAwake(entry)) return;
    let due = Number.POSITIVE_INFINITY;
    if (!entry.held) for (const task of entry.tasks) if (task.resting) due = Math.min(due, task.due);
    this.#alarm.set(entry.slot, due);
    entries.rest(entry);
  }

  /** As `rest`, and goes on at once with what is due. */
  unpark(entry: Entry): void {
    this.rest(entry);
    this.#alarm.look();
  }

  /** Starts nothing more; resolves when nothing is under way, or when `patience` resolves. */
  async stop(patience: Promise<void>): Promise<void> {
    this.#stopped = true;
    this.#alarm.stop();
    if (this.#flying > 0) {
      await Promise.race([patience, new Promise<void>((resolve) => this.#landed.push(resolve))]);
    }
  }

  #later(task: Task, ms: number): void {
    this.#at(task, this.#options.clock.now() + ms);
  }

  /** Again at that time, unless something is to be done before. */
  #at(task: Task, time: number): void {
    task.due = nextWith(task.entry, time, this.#options.clock.now());
    this.#rest(task);
  }

  #rest(task: Task): void {
    task.resting = true;
    this.rest(task.entry);
  }

  #ring(slot: number): void {
    const entry = this.#options.entries.wake(slot);
    if (!entry) return;
    const now = this.#options.clock.now();
    const due = entry.tasks.filter((task) => task.resting && task.due <= now);
    for (const task of due) task.resting = false;
    this.rest(entry);
    for (const task of due) this.#route(task);
  }

  /** Whether a due task does not go out: nothing of it is left to do, or its message is held and it rests. */
  #stays(task: Task): boolean {
    if (isOver(task)) return true;
    if (task.entry.held) this.#rest(task);
    return task.entry.held;
  }

  #route(task: Task): void {
    if (this.#stays(task)) return;
    // what was refused goes nowhere else
    const local = task.entry.envelope.rejected ? true : this.#options.routes.local(task.domain);
    if (typeof local === "boolean") return this.#put(task, local);
    local.then(
      (answer) => this.#put(task, answer),
      (thrown: unknown) => {
        this.#options.trouble(Trouble.from("ask auth", thrown).message);
        this.#later(task, limits.queue.away);
      },
    );
  }

  #put(task: Task, local: boolean): void {
    // an order may have come while auth was asked
    if (this.#stays(task)) return;
    // nothing is settled while its record is on its way to another place
    if (task.entry.moving) return this.#later(task, MOVING);
    if (isOverdue(task.entry, this.#options.clock.now())) return this.#return(task, local);
    const most = this.#options.limits();
    // an administrator wants none delivered there: as if it were held
    if ((local ? most.local : most.remote) === 0) return this.#leave(task, limits.queue.closed);
    const until = this.#lanes.put(local ? "" : task.domain, task);
    if (until === undefined) return this.#soon();
    if (this.#options.isOld(task.entry)) return this.#return(task, local, "4.4.1");
    this.#leave(task, until - this.#options.clock.now());
  }

  #leave(task: Task, ms: number): void {
    this.#later(task, ms);
    this.#options.waits(task.entry);
  }

  /** Once for all that became ready in this turn. */
  #soon(): void {
    if (this.#starting) return;
    this.#starting = true;
    queueMicrotask(() => {
      this.#starting = false;
      this.#go();
    });
  }

  #go(): void {
    while (!this.#stopped) {
      const next = this.#lanes.next();
      if (!next) return;
      this.#start(next);
    }
  }

  #start(flight: Flight): void {
    const { lane, task } = flight;
    const { entry } = task;
    if (this.#stays(task)) return void this.#lanes.done(flight, "unknown");
    if (entry.moving) {
      this.#lanes.done(flight, "unknown");
      return this.#later(task, MOVING);
    }
    const local = lane.domain === "";
    const started = this.#options.clock.now();
    if (isOverdue(entry, started)) {
      this.#lanes.done(flight, "unknown");
      return this.#return(task, local);
    }
    const { envelope } = entry;
    const first = entry.recipients[task.waiting[0] ?? 0]?.address ?? "";
    const question = {
      ...envelope,
      id: entry.id,
      arrived: entry.arrived,
      // never on the wire, never in a Maildir
      sender: envelope.sender === DOUBLE ? "" : senderFor(envelope.sender, first),
      again: task.again,
      place: entry.kept.place,
      domain: lane.domain,
      recipients: task.waiting.flatMap((index) => {
        const recipient = entry.recipients[index];
        return recipient ? [{ index, ...recipientOf(recipient) }] : [];
      }),
    };
    task.flying = true;
    entry.readers++;
    task.again = true;
    this.#flying++;
    const caller = local ? this.#options.local : this.#options.remote;
    caller
      .ask(deliver, question, limits.queue.attempt)
      .then((answer) => this.#options.pass(task, { started, local, outcomes: outcomesOf(answer) }))
      .then(
        (attempt) => this.#land(flight, attempt),
        (thrown: unknown) => this.#lose(flight, Trouble.from("deliver", thrown)),
      );
  }

  /** Too late to be tried (RFC 2852 §4.1), or to wait longer: whoever has been tried before keeps the reason why that failed. */
  #return(task: Task, local: boolean, code = "4.4.7"): void {
    const outcomes = new Map(
      task.waiting.map((index) => {
        const text = task.entry.recipients[index]?.text || "It could not be tried.";
        return [index, { kind: "deferred", why: { code, text } } as const];
      }),
    );
    this.#options.settle(task, { started: this.#options.clock.now(), local, outcomes });
    this.#soon();
  }

  #land(flight: Flight, attempt: Attempt): void {
    const { lane, task } = flight;
    task.flying = false;
    task.entry.readers--;
    task.losses = 0;
    this.#flying--;
    const { away, recalled } = this.#lanes.done(flight, reachedBy(attempt.outcomes));
    for (const [waiting, until] of away) this.#at(waiting, until);
    this.#options.settle(task, attempt);
    if (recalled.length > 0) void this.#recall(lane.domain, recalled);
    this.#wake();
  }

  /** A destination can be reached again: what was sent away for its sake comes back, some at a time. */
  async #recall(domain: string, slots: readonly number[]): Promise<void> {
    for (let at = 0; at < slots.length && !this.#stopped; at += TOGETHER) {
      for (const slot of slots.slice(at, at + TOGETHER)) {
        const entry = this.#options.entries.wake(slot);
        // another message may have the slot by now
        if (!entry) continue;
        for (const task of entry.tasks)
          if (task.resting && task.domain === domain) task.due = this.#options.clock.now();
        this.rest(entry);
      }
      this.#alarm.look();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** No answer came. Lost with the link: again soon, and no attempt of the message's. */
  #lose(flight: Flight, reason: Trouble): void {
    const { lane, task, started } = flight;
    const local = lane.domain === "";
    if (reason.operation === "talk") task.losses++;
    if (isAway(reason) && task.losses < LOSSES) {
      task.flying = false;
      task.entry.readers--;
      this.#flying--;
      this.#lanes.done(flight, "unknown");
      this.#pause(local ? "local" : "remote", reason);
      this.#later(task, limits.queue.away);
      return this.#wake();
    }
    const why = { code: "4.3.0", text: "The delivery was interrupted" };
    this.#options.trouble(`Cannot deliver ${task.entry.id}: ${reason.message}`);
    const outcomes = new Map(task.waiting.map((index) => [index, { kind: "deferred", why } as const]));
    this.#land(flight, { started, local, outcomes });
  }

  #pause(which: "local" | "remote", reason: Trouble): void {
    if (this.#lanes.isAway(which)) return;
    this.#options.trouble(`No link to ${which}: ${reason.message}`);
    this.#lanes.away(which, true);
    this.#options.clock.after(limits.queue.away, () => {
      this.#lanes.away(which, false);
      this.#go();
    });
  }

  #wake(): void {
    if (this.#flying === 0) for (const resolve of this.#landed.splice(0)) resolve();
    this.#soon();
  }
}

/** Settled by an administrator while it was on its way. */
function isOver({ waiting, entry }: Task): boolean {
  return waiting.length === 0 || entry.tasks.length === 0;
}

function outcomesOf(answer: Delivered): ReadonlyMap<number, Outcome> {
  return new Map(answer.outcomes.map(({ index, outcome }) => [index, outcome]));
}

/** RFC 3463 §3.5: X.4.X is about the network and the way there; then it is the destination's trouble, not the message's. */
function reachedBy(outcomes: ReadonlyMap<number, Outcome>): Reached {
  let result: Reached = "unknown";
  for (const outcome of outcomes.values()) {
    if (outcome.kind !== "deferred") return "taken";
    if (!outcome.why.code.startsWith("4.4.")) result = "deferred";
    else if (result === "unknown") result = "unreachable";
  }
  return result;
}

/** Whether the other role is gone, as opposed to: it said sorry, or said nothing for too long. */
function isAway(reason: Trouble): boolean {
  return reason.operation === "talk" || (reason.operation === "ask" && reason.code !== "trouble");
}
