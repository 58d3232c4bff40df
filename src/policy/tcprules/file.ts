// A file of rules that is read again when it changes. A bad file never replaces a good one.

import { hash } from "node:crypto";
import path from "node:path";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import { type Disk, type DiskStat, readWhole } from "#sys/disk.ts";
import { type RuleSet, readRules } from "./ruleset.ts";

/** One object for as long as nothing changes, so that whoever logs changes can compare. */
export interface RulesState {
  /** The newest good rules; undefined when there never were any. */
  readonly rules: RuleSet | undefined;
  /** Why the file as it is now is not used, one sentence each; empty when it is. */
  readonly problems: readonly string[];
}

export interface RulesFileOptions {
  readonly path: string;
  /** As in compileRules(). */
  readonly strict: boolean;
  readonly disk: Disk;
  readonly clock: Clock;
}

/** A file that is written while we read it is tried so often. */
const TRIES = 3;

export class RulesFile {
  readonly #options: RulesFileOptions;
  #state: RulesState = { rules: undefined, problems: [] };
  /** What the last file that was read whole has given, and the hash of its bytes. */
  #read: { readonly state: RulesState; readonly digest: string } | undefined;
  /** How the file looked then; undefined: read it whatever it looks like. */
  #seen: DiskStat | undefined;
  /** Monotonic ms at which it is read once more although it looks the same. */
  #again: number | undefined;
  #looking: Promise<RulesState> | undefined;

  constructor(options: RulesFileOptions) {
    this.#options = options;
  }

  /** The rules as they are now. Costs one stat() as a rule; whoever asks meanwhile gets the same answer. Never rejects because of the file. */
  current(): Promise<RulesState> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(): Promise<RulesState> {
    const { disk } = this.#options;
    try {
      const found = await disk.stat(this.#options.path);
      if (!found) return this.#bad(this.#cannot("it does not exist"));
      if (!this.#seen || !isSame(found, this.#seen) || this.#isDue()) return await this.#load(found);
      return this.#state;
    } catch (thrown) {
      if (!(thrown instanceof Trouble)) throw thrown;
      return this.#bad(thrown.message);
    }
  }

  async #load(found: DiskStat): Promise<RulesState> {
    if (!found.regular) return this.#bad(this.#cannot("it is not a file"));
    if (found.size > limits.rules.compiled)
      return this.#bad(this.#cannot(`it is longer than ${limits.rules.compiled} bytes`));
    const { disk } = this.#options;
    let before = found;
    for (let tries = 0; tries < TRIES; tries++) {
      const bytes = await readWhole(disk, this.#options.path, limits.rules.compiled);
      const after = await disk.stat(this.#options.path);
      if (!bytes || !after) return this.#bad(this.#cannot("it does not exist"));
      if (isSame(before, after) && bytes.length === after.size) return this.#take(bytes, after);
      before = after;
    }
    return this.#bad(this.#cannot("it changes while it is read"));
  }

  #take(bytes: Buffer, found: DiskStat): RulesState {
    const { strict, clock } = this.#options;
    const young = clock.now() - Math.max(found.mtimeMs, found.changedMs) < limits.rules.settle;
    // the second time is late enough, whatever clock the stamps are from
    const second = this.#seen !== undefined && isSame(found, this.#seen);
    this.#again = young && !second ? clock.monotonic() + limits.rules.settle : undefined;
    this.#seen = found;
    const digest = hash("sha256", bytes);
    if (digest !== this.#read?.digest) {
      const rules = readRules(bytes, this.#name, strict);
      const state = rules.ok
        ? { rules: rules.value, problems: [] }
        : { rules: this.#state.rules, problems: rules.error };
      this.#read = { state, digest };
    }
    return (this.#state = this.#read.state);
  }

  /** What keeps us from reading the file may be over the next time, so that we do not wait for the file to change. */
  #bad(problem: string): RulesState {
    this.#seen = undefined;
    if (this.#state.problems.length !== 1 || this.#state.problems[0] !== problem)
      this.#state = { rules: this.#state.rules, problems: [problem] };
    return this.#state;
  }

  #cannot(why: string): string {
    return `Cannot use ${this.#name}: ${why}`;
  }

  #isDue(): boolean {
    return this.#again !== undefined && this.#options.clock.monotonic() >= this.#again;
  }

  get #name(): string {
    return path.basename(this.#options.path);
  }
}

const isSame = (one: DiskStat, other: DiskStat): boolean =>
  one.inode === other.inode &&
  one.size === other.size &&
  one.mtimeMs === other.mtimeMs &&
  one.changedMs === other.changedMs;
