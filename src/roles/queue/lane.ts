// Lane: what is due for one destination, and how much of it goes there at a time. Senders go by turns, so that one with much mail does not
// delay the others; the window opens while the destination takes mail, and closes when it does not (docs/queue.md §7).

import { limits } from "#base/limits.ts";
import type { Task } from "./entries.ts";
import { backoff } from "./schedule.ts";

/** How a destination has been: silent or slow, not known yet, or quick. */
export const BAD = 0;
export const NEW = 1;
export const GOOD = 2;
export type Trust = typeof BAD | typeof NEW | typeof GOOD;

/** What an attempt was like: recipients were settled; all were put off; the destination could not be reached; nothing is known. */
export type Reached = "taken" | "deferred" | "unreachable" | "unknown";

export interface WindowLimits {
  /** Deliveries to one destination at a time: at first, and at most. */
  readonly start: number;
  readonly most: number;
}

/** RFC 6710 §4.1: priorities go from 9 to −9; level 0 is the most urgent. */
const HIGHEST = 9;
export const LEVELS = 19;

export const levelOf = ({ entry }: Task): number => HIGHEST - (entry.envelope.priority ?? 0);

export class Lane {
  /** "" is local. */
  readonly domain: string;
  flying = 0;
  trust: Trust = NEW;
  /** Since when it cannot be reached; undefined: it can, as far as we know. */
  unreachable: number | undefined;
  /** Not before this, ms since 1970. */
  until = 0;
  /** Slots of messages that were told to come again later. */
  readonly absent = new Set<number>();
  /** When it had nothing to do the last time. */
  idle = 0;
  /** What may go at a time, and where growing becomes slow; undefined: it was never used. */
  #window: number | undefined;
  #threshold = Number.POSITIVE_INFINITY;
  /** Attempts that began before this have been judged together. */
  #shrunk = Number.NEGATIVE_INFINITY;
  #absences = 0;
  readonly #levels = new Map<number, Turns>();

  constructor(domain: string) {
    this.domain = domain;
  }

  get isEmpty(): boolean {
    return this.#levels.size === 0;
  }

  /** Levels at which somebody waits. */
  levels(): Iterable<number> {
    return this.#levels.keys();
  }

  has(level: number): boolean {
    return this.#levels.has(level);
  }

  put(task: Task): void {
    const level = levelOf(task);
    const turns = this.#levels.get(level) ?? new Turns();
    this.#levels.set(level, turns);
    turns.put(task);
  }

  /** The next at a level. */
  take(level: number): Task | undefined {
    const turns = this.#levels.get(level);
    const task = turns?.take();
    if (turns?.isEmpty) this.#levels.delete(level);
    return task;
  }

  /** All that wait. */
  clear(): readonly Task[] {
    const tasks = [...this.#levels.values()].flatMap((turns) => turns.all());
    this.#levels.clear();
    return tasks;
  }

  /** Deliveries that may be under way. A destination that was unreachable gets one attempt, which speaks for all. */
  most({ start, most }: WindowLimits): number {
    if (this.unreachable !== undefined) return 1;
    return Math.max(1, Math.min(Math.floor(this.#window ?? start), most));
  }

  /** How an attempt went that began at `started`. */
  learn(
    reached: Reached,
    at: { readonly started: number; readonly now: number },
    bounds: WindowLimits,
  ): void {
    const { started, now } = at;
    if (reached === "unknown") return;
    const isSlow = now - started > limits.queue.slow;
    if (reached === "taken") this.#grow(bounds);
    else if (started >= this.#shrunk) this.#shrink(bounds, now);
    if (reached === "unreachable") {
      this.trust = BAD;
      this.unreachable ??= now;
      this.until = Math.max(this.until, backoff(this.unreachable, now));
      return;
    }
    this.unreachable = undefined;
    this.until = 0;
    if (isSlow) this.trust = BAD;
    else if (reached === "taken") this.trust = GOOD;
    else if (this.trust === BAD) this.trust = NEW;
  }

  /** It had nothing to do for long: what was learned is old. */
  refresh(now: number): void {
    if (this.flying > 0 || !this.isEmpty || now - this.idle < limits.queue.windowKept) return;
    this.#window = undefined;
    this.#threshold = Number.POSITIVE_INFINITY;
    if (this.unreachable === undefined) this.trust = NEW;
  }

  /** A task that may not wait here: when it comes again. They come one after the other, not all at once. */
  sendAway(task: Task, now: number): number {
    this.absent.add(task.entry.slot);
    const until = this.until > now ? this.until : backoff(this.unreachable ?? now, now);
    const spread = (until - now) / 10;
    return Math.floor(until + (spread * (this.#absences++ % SPREAD)) / SPREAD);
  }

  /** An administrator wants it tried now. */
  forgive(): void {
    this.until = 0;
    this.unreachable = undefined;
    this.absent.clear();
  }

  /** Doubles with each round of successes until it shrank once; then by one with each round. */
  #grow({ start, most }: WindowLimits): void {
    const window = this.#window ?? Math.min(start, most);
    this.#window = Math.min(most, window + (window < this.#threshold ? 1 : 1 / Math.floor(window)));
  }

  #shrink({ start, most }: WindowLimits, now: number): void {
    this.#window = Math.max(1, Math.min(this.#window ?? start, most) / 2);
    this.#threshold = this.#window;
    this.#shrunk = now;
  }
}

/** Steps in which those who were sent away come back. */
const SPREAD = 1000;

/** Tasks of one level, by turns of their senders; those of one sender in their order. */
class Turns {
  readonly #senders = new Map<string, Task[]>();
  /** How many of each list have gone. */
  readonly #gone = new Map<string, number>();

  get isEmpty(): boolean {
    return this.#senders.size === 0;
  }

  put(task: Task): void {
    const { sender } = task.entry.envelope;
    const list = this.#senders.get(sender);
    if (list) list.push(task);
    else this.#senders.set(sender, [task]);
  }

  take(): Task | undefined {
    const [first] = this.#senders;
    if (!first) return undefined;
    const [sender, list] = first;
    const gone = this.#gone.get(sender) ?? 0;
    const task = list[gone];
    this.#senders.delete(sender);
    this.#gone.delete(sender);
    if (gone + 1 < list.length) {
      // behind all others
      const isLong = gone + 1 >= 1000;
      this.#senders.set(sender, isLong ? list.slice(gone + 1) : list);
      if (!isLong) this.#gone.set(sender, gone + 1);
    }
    return task;
  }

  all(): readonly Task[] {
    return [...this.#senders].flatMap(([sender, list]) => list.slice(this.#gone.get(sender) ?? 0));
  }
}
