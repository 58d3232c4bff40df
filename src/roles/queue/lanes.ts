// Lanes: which due task goes next: one lane for local, one for each remote destination. Destinations go by turns, the most urgent mail first
// but not only; those that are silent or slow never hold all of what we do at a time (docs/queue.md §7).

import type { Task } from "./entries.ts";
import { BAD, GOOD, Lane, LEVELS, NEW, type Reached, type Trust, type WindowLimits } from "./lane.ts";

export interface LaneLimits {
  /** Deliveries at a time; 0: none begins. */
  readonly local: number;
  readonly remote: number;
  readonly destination: WindowLimits;
}

/** A task that goes now. */
export interface Flight {
  readonly lane: Lane;
  readonly task: Task;
  readonly started: number;
  readonly trust: Trust;
}

/** What an attempt changed for others. */
export interface Landed {
  /** Tasks that were waiting and are sent away, and until when. */
  readonly away: readonly (readonly [Task, number])[];
  /** Slots of messages that were sent away and may come back now. */
  readonly recalled: readonly number[];
}

/** Lanes nobody uses that are remembered for what was learned about them. */
const MOST_IDLE = 10_000;

/** Of so many starts, one goes to those who are less urgent. */
const SHARE = 8;

const NOTHING: Landed = { away: [], recalled: [] };

export class Lanes {
  readonly #limits: () => LaneLimits;
  readonly #now: () => number;
  readonly #local = new Lane("");
  /** Remote destinations by domain. */
  readonly #lanes = new Map<string, Lane>();
  /** Remote destinations where somebody waits and may go, by level and by how they have been. */
  readonly #open: readonly (readonly [Set<Lane>, Set<Lane>, Set<Lane>])[] = Array.from(
    { length: LEVELS },
    () => [new Set<Lane>(), new Set<Lane>(), new Set<Lane>()],
  );
  /** Remote deliveries under way, by how the destination had been. */
  readonly #flying: [number, number, number] = [0, 0, 0];
  #turn = { local: 0, remote: 0 };
  #localAway = false;
  #remoteAway = false;

  constructor(options: { readonly limits: () => LaneLimits; readonly now: () => number }) {
    this.#limits = options.limits;
    this.#now = options.now;
  }

  /** Takes a task that is due; undefined, or the time at which it is to come again, because its destination is left alone. */
  put(domain: string, task: Task): number | undefined {
    const lane = this.#lane(domain);
    const now = this.#now();
    lane.refresh(now);
    const isAlone = lane.unreachable !== undefined && (lane.until > now || !lane.isEmpty || lane.flying > 0);
    if (isAlone) return lane.sendAway(task, now);
    lane.put(task);
    this.#update(lane);
    return undefined;
  }

  /** The next that may go now, if any; `done` must follow. */
  next(): Flight | undefined {
    const { local, remote } = this.#limits();
    if (!this.#localAway && this.#local.flying < local) {
      const level = choose(
        [...this.#local.levels()].sort((a, b) => a - b),
        this.#turn.local,
      );
      const task = level === undefined ? undefined : this.#local.take(level);
      if (task) {
        this.#turn.local++;
        return this.#begin(this.#local, task);
      }
    }
    return this.#remoteAway ? undefined : this.#nextRemote(remote);
  }

  /** An attempt has ended, or did not begin ("unknown"). */
  done({ lane, started, trust }: Flight, reached: Reached): Landed {
    lane.flying--;
    if (lane.domain === "") return NOTHING;
    this.#flying[trust]--;
    const now = this.#now();
    const wasUnreachable = lane.unreachable !== undefined;
    lane.learn(reached, { started, now }, this.#limits().destination);
    const away =
      reached === "unreachable" ? lane.clear().map((task) => [task, lane.sendAway(task, now)] as const) : [];
    let recalled: readonly number[] = [];
    if (wasUnreachable && lane.unreachable === undefined) {
      recalled = [...lane.absent];
      lane.absent.clear();
    }
    this.#update(lane);
    this.#forget(lane);
    return { away, recalled };
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
      if (lane.unreachable === undefined) continue;
      lane.forgive();
      this.#update(lane);
      this.#forget(lane);
    }
  }

  #nextRemote(most: number): Flight | undefined {
    const trusts = this.#allowed(most);
    if (trusts.length === 0) return undefined;
    const levels: number[] = [];
    for (let level = 0; level < LEVELS; level++)
      if (trusts.some((trust) => (this.#open[level]?.[trust].size ?? 0) > 0)) levels.push(level);
    const level = choose(levels, this.#turn.remote);
    if (level === undefined) return undefined;
    // by turns, so that neither those who were quick nor those who were not keep the others waiting
    for (let step = 0; step < trusts.length; step++) {
      const open: Set<Lane> | undefined =
        this.#open[level]?.[trusts[(this.#turn.remote + step) % trusts.length] ?? NEW];
      const lane: Lane | undefined = open?.values().next().value;
      const task = lane?.take(level);
      if (!open || !lane || !task) continue;
      this.#turn.remote++;
      // behind all others, if there is more
      open.delete(lane);
      return this.#begin(lane, task);
    }
    return undefined;
  }

  /** Destinations of which kinds may go: those that were silent or slow have half, and three quarters together with those nobody knows. */
  #allowed(most: number): readonly Trust[] {
    const [bad, fresh, good] = this.#flying;
    if (bad + fresh + good >= most) return [];
    const allowed: Trust[] = [GOOD];
    const isUnproven = bad + fresh < Math.ceil((3 * most) / 4);
    if (isUnproven) allowed.push(NEW);
    if (isUnproven && bad < Math.ceil(most / 2)) allowed.push(BAD);
    return allowed;
  }

  #begin(lane: Lane, task: Task): Flight {
    lane.flying++;
    const { trust } = lane;
    if (lane.domain !== "") {
      this.#flying[trust]++;
      this.#update(lane);
    }
    return { lane, task, started: this.#now(), trust };
  }

  #lane(domain: string): Lane {
    const known = domain === "" ? this.#local : this.#lanes.get(domain);
    if (known) return known;
    const lane = new Lane(domain);
    this.#lanes.set(domain, lane);
    return lane;
  }

  /** Puts a destination where it is found, or away from there; where it is already, it keeps its turn. */
  #update(lane: Lane): void {
    if (lane.domain === "") return;
    const isOpen = lane.until <= this.#now() && lane.flying < lane.most(this.#limits().destination);
    for (const [level, sets] of this.#open.entries())
      for (const [trust, set] of sets.entries()) {
        if (isOpen && trust === lane.trust && lane.has(level)) set.add(lane);
        else set.delete(lane);
      }
  }

  /** What was learned of a destination is kept, unless there are too many. */
  #forget(lane: Lane): void {
    if (lane.flying > 0 || !lane.isEmpty) return;
    lane.idle = this.#now();
    if (this.#lanes.size > MOST_IDLE) this.#lanes.delete(lane.domain);
  }
}

/** The most urgent level; once in `SHARE` turns one of the others, each in its turn. */
function choose(levels: readonly number[], turn: number): number | undefined {
  if (levels.length < 2 || turn % SHARE !== SHARE - 1) return levels[0];
  return levels[1 + (Math.floor(turn / SHARE) % (levels.length - 1))];
}
