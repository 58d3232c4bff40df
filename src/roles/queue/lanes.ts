// Lanes: due tasks on their way out: one lane for local, one for each remote destination, with their limits. Those with
// the most urgent mail go round, so that a destination with much mail does not keep the others waiting; one that cannot be reached is left
// alone by all its mail.

import { limits } from "#base/limits.ts";
import type { Task } from "./entries.ts";
import { backoff } from "./schedule.ts";

export interface Lane {
  /** "" is local. */
  readonly domain: string;
  readonly waiting: Task[];
  /** Index of the first in `waiting`; those before it have gone. */
  first: number;
  flying: number;
  /** Since when it cannot be reached; undefined: it can, as far as we know. */
  unreachable: number | undefined;
  /** Not before this, ms since 1970. */
  until: number;
}

export interface LaneLimits {
  readonly local: number;
  readonly remote: number;
}

/** RFC 6710 §4.1: priorities go from 9 to −9. */
const HIGHEST = 9;
const LEVELS = 19;

/** Lanes nobody uses that are remembered because they cannot be reached. */
const MOST_IDLE = 10_000;

export class Lanes {
  readonly #limits: () => LaneLimits;
  readonly #now: () => number;
  readonly #local = newLane("");
  /** Remote destinations by domain. */
  readonly #lanes = new Map<string, Lane>();
  /** Remote destinations where somebody waits and may go, by the priority of the first one, the highest first. */
  readonly #open: readonly Set<Lane>[] = Array.from({ length: LEVELS }, () => new Set<Lane>());
  #remoteFlying = 0;
  #localAway = false;
  #remoteAway = false;

  constructor(options: { readonly limits: () => LaneLimits; readonly now: () => number }) {
    this.#limits = options.limits;
    this.#now = options.now;
  }

  /** Takes a task that is due; undefined, or the time at which its destination is tried again. */
  put(domain: string, task: Task): number | undefined {
    const lane = this.#lane(domain);
    if (lane.until > this.#now()) return lane.until;
    line(lane, task);
    this.#mayGo(lane);
    return undefined;
  }

  /** The next that may go now, if any; `done` must follow. */
  next(): { readonly lane: Lane; readonly task: Task } | undefined {
    const most = this.#limits();
    if (!this.#localAway && this.#local.flying < most.local) {
      const task = take(this.#local);
      if (task) return { lane: this.#local, task };
    }
    if (this.#remoteAway || this.#remoteFlying >= most.remote) return undefined;
    for (const level of this.#open) {
      for (const lane of level) {
        level.delete(lane);
        const task = take(lane);
        if (!task) continue;
        this.#remoteFlying++;
        // behind all others, if there is more
        this.#mayGo(lane);
        return { lane, task };
      }
    }
    return undefined;
  }

  /** An attempt has ended. "unreachable": the whole destination; what waits for it is given back, to come again at `until`. */
  done(lane: Lane, result: "reached" | "unreachable" | "unknown"): readonly Task[] {
    lane.flying--;
    if (lane.domain !== "") this.#remoteFlying--;
    let back: readonly Task[] = [];
    if (result === "reached") lane.unreachable = undefined;
    if (result === "unreachable" && lane.domain !== "") {
      const now = this.#now();
      lane.unreachable ??= now;
      lane.until = Math.max(lane.until, backoff(lane.unreachable, now));
      back = lane.waiting.slice(lane.first);
      lane.waiting.length = 0;
      lane.first = 0;
      this.#close(lane);
    }
    this.#mayGo(lane);
    this.#forget(lane);
    return back;
  }

  /** Local or remote is away (or back): nothing goes there. */
  away(which: "local" | "remote", away: boolean): void {
    if (which === "local") this.#localAway = away;
    else this.#remoteAway = away;
  }

  isAway(which: "local" | "remote"): boolean {
    return which === "local" ? this.#localAway : this.#remoteAway;
  }

  /** An administrator wants everything tried now. */
  forgetBackoffs(): void {
    for (const lane of this.#lanes.values()) {
      lane.until = 0;
      lane.unreachable = undefined;
      this.#mayGo(lane);
      this.#forget(lane);
    }
  }

  #lane(domain: string): Lane {
    const known = domain === "" ? this.#local : this.#lanes.get(domain);
    if (known) return known;
    const lane = newLane(domain);
    this.#lanes.set(domain, lane);
    return lane;
  }

  #mayGo(lane: Lane): void {
    const first = lane.waiting[lane.first];
    if (lane.domain === "" || !first || lane.until > this.#now()) return;
    // a destination that was unreachable gets one attempt, which speaks for all
    const most = lane.unreachable === undefined ? limits.queue.perDestination : 1;
    const level = this.#open[HIGHEST - priorityOf(first)];
    if (lane.flying >= most || level?.has(lane)) return;
    this.#close(lane);
    level?.add(lane);
  }

  #close(lane: Lane): void {
    for (const level of this.#open) level.delete(lane);
  }

  /** Lanes that say nothing are dropped; and all idle ones when there are too many. */
  #forget(lane: Lane): void {
    if (lane.flying > 0 || lane.waiting.length > 0) return;
    if (lane.unreachable === undefined || this.#lanes.size > MOST_IDLE) this.#lanes.delete(lane.domain);
  }
}

function newLane(domain: string): Lane {
  return { domain, waiting: [], first: 0, flying: 0, unreachable: undefined, until: 0 };
}

/** The task waits behind all that are as urgent (RFC 6710 §5.2). */
function line({ waiting, first }: Lane, task: Task): void {
  const priority = priorityOf(task);
  let at = waiting.length;
  for (; at > first; at--) {
    const before = waiting[at - 1];
    if (!before || priorityOf(before) >= priority) break;
  }
  if (at === waiting.length) waiting.push(task);
  else waiting.splice(at, 0, task);
}

const priorityOf = ({ entry }: Task): number => entry.envelope.priority ?? 0;

/** The first that waits in a lane, flying from now on. */
function take(lane: Lane): Task | undefined {
  const task = lane.waiting[lane.first];
  if (!task) return undefined;
  lane.flying++;
  lane.first++;
  if (lane.first === lane.waiting.length || lane.first > 1000) {
    lane.waiting.splice(0, lane.first);
    lane.first = 0;
  }
  return task;
}
