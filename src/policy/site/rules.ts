// The site's own rules: TypeScript files below `site/` in the directory of rules, each a rule with the id `site/NAME`. They run in a thread of their
// own; one that fails or hangs is skipped, and its file is read again when it changes.

import path from "node:path";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import { flag, oneOf, optional, read, record, text } from "#base/shape.ts";
import { type Disk, readWhole } from "#sys/disk.ts";
import { ThreadLost, type Workshop } from "#sys/workshop.ts";
import { type Rule, type Stage, stageNames, type Verdict } from "../verdict.ts";
import { type AnyFacts, plainFacts } from "./facts.ts";
import { readVerdict } from "./verdict.ts";

/** Below the directory of rules. */
export const SITE = "site";
const FILE = /^([A-Za-z0-9_-]{1,64})\.ts$/;

export interface SiteRules {
  /** The rules of a stage. Those of the first are looked for anew: a changed file counts for the next session. */
  rules<S extends Stage>(stage: S): Promise<readonly Rule<S>[]>;
}

export interface SiteOptions {
  readonly clock: Clock;
  readonly disk: Disk;
  /** Where the site's rules are. */
  readonly directory: string;
  readonly workshop: Pick<Workshop, "load" | "call" | "forget">;
  /** A file that cannot be used; told once for each of its states. */
  readonly trouble: (text: string) => void;
}

export const openSiteRules = (options: SiteOptions): SiteRules => new Site(options);

const exportsShape = record({
  stage: oneOf(...stageNames),
  mode: optional(oneOf("enforce", "observe", "off")),
  spares: optional(oneOf("relay", "reliable", "known")),
  meaning: optional(text(1000)),
  judges: flag,
});

interface Loaded {
  /** How the file looked when it was read; undefined: it may have changed since. */
  readonly seen: string | undefined;
  /** Undefined: it cannot be used as it is. */
  readonly rule: Rule | undefined;
  readonly source: string;
}

class Site implements SiteRules {
  readonly #options: SiteOptions;
  readonly #directory: string;
  #loaded = new Map<string, Loaded>();
  #looking: Promise<void> | undefined;

  constructor(options: SiteOptions) {
    this.#options = options;
    this.#directory = path.join(options.directory, SITE);
  }

  async rules<S extends Stage>(stage: S): Promise<readonly Rule<S>[]> {
    if (stage === stageNames[0]) {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
      });
    }
    await this.#looking;
    const rules = [...this.#loaded.values()].flatMap(({ rule }) => (rule?.stage === stage ? [rule] : []));
    return rules as unknown as readonly Rule<S>[];
  }

  async #look(): Promise<void> {
    const { disk, workshop } = this.#options;
    try {
      // a site without rules of its own pays for this look only
      const names = (await disk.stat(this.#directory)) ? await disk.list(this.#directory) : [];
      const files = names
        .filter((name) => FILE.test(name))
        .sort()
        .slice(0, limits.site.files);
      const loaded = new Map<string, Loaded>();
      for (const file of files) loaded.set(file, await this.#lookAt(file));
      for (const file of this.#loaded.keys()) if (!loaded.has(file)) workshop.forget(idOf(file));
      this.#loaded = loaded;
    } catch (thrown) {
      this.#options.trouble(`Cannot read rules/${SITE}: ${messageOf(thrown)}`);
    }
  }

  async #lookAt(file: string): Promise<Loaded> {
    const { disk, clock } = this.#options;
    const before = this.#loaded.get(file);
    const at = path.join(this.#directory, file);
    const found = await disk.stat(at);
    const state = found ? `${found.inode} ${found.size} ${found.mtimeMs} ${found.changedMs}` : "";
    if (before && before.seen === state) return before;
    // a change right behind this one may leave the time stamp as it is
    const seen = found && Math.abs(clock.now() - found.changedMs) < limits.rules.settle ? undefined : state;
    const bytes = found?.regular ? await readWhole(disk, at, limits.site.file + 1) : undefined;
    const source = bytes?.toString() ?? "";
    if (before && before.source === source) return { ...before, seen };
    const rule = await this.#load(file, source).catch((thrown: unknown) => {
      this.#options.trouble(`rules/${SITE}/${file} is not used: ${messageOf(thrown)}`);
      return undefined;
    });
    return { seen, rule, source };
  }

  async #load(file: string, source: string): Promise<Rule> {
    if (source.length > limits.site.file) throw new Error(`it is longer than ${limits.site.file} bytes`);
    const id = idOf(file);
    const exported = read(exportsShape, await this.#options.workshop.load(id, source));
    if (!exported.ok)
      throw new Error(`what it exports cannot be read: ${exported.error.replaceAll("value.", "")}`);
    const {
      stage,
      mode = "enforce",
      spares = "known",
      meaning = `rules/${SITE}/${file}`,
      judges,
    } = exported.value;
    if (!judges) throw new Error("it exports no function `judge`");
    let lost = 0;
    const judge = async (...[facts, sofar]: Parameters<Rule["judge"]>): Promise<Verdict> => {
      if (lost >= limits.site.lost) return { kind: "accept", evidence: "off: it took too long too often" };
      const given = await plainFacts(facts as AnyFacts, sofar);
      try {
        const said = readVerdict(await this.#options.workshop.call(id, given));
        lost = 0;
        if (!said.ok) throw new Error(said.error);
        return said.value;
      } catch (thrown) {
        if (thrown instanceof ThreadLost && ++lost === limits.site.lost)
          this.#options.trouble(`Rule ${id} is off until its file changes: ${messageOf(thrown)}`);
        throw thrown;
      }
    };
    return { id, stage, mode, spares, meaning, judge };
  }
}

const idOf = (file: string): string => `${SITE}/${file.replace(/\.ts$/, "")}`;
