// The world of the rules, put together: what smtpd and `kenro policy explain` share.

import path from "node:path";
import type { Clock } from "#base/clock.ts";
import type { Disk } from "#sys/disk.ts";
import type { Resolver } from "#sys/resolver.ts";
import type { Access, Listing, Memory, Server, World } from "./facts.ts";
import { openDatabases } from "./feeds/database.ts";
import { starterPatterns } from "./feeds/starter.ts";
import { parsePatterns } from "./names.ts";
import { RulesFile, type RulesState } from "./tcprules/file.ts";
import { judgeClient } from "./tcprules/match.ts";
import { knownVariables } from "./tcprules/variables.ts";

export interface WorldOptions {
  readonly clock: Clock;
  readonly disk: Disk;
  /** Where the site's rules are. */
  readonly directory: string;
  readonly resolver: Resolver;
  readonly server: Server;
  readonly memory: Memory;
  readonly listings: (address: string) => Promise<readonly Listing[]>;
  readonly spf: World["spf"];
  /** A rule file or database that cannot be used, one sentence; told once for each. */
  readonly trouble: (text: string) => void;
}

export function openWorld(options: WorldOptions): World {
  const { clock, disk, directory, resolver, server, memory, listings, spf, trouble } = options;
  const patterns = parsePatterns(starterPatterns);
  if (!patterns.ok) throw new Error(`Bug: the starter feed cannot be read: ${patterns.error.join("; ")}`);
  const file = path.join(directory, "smtp.rules");
  const rules = new RulesFile({ path: file, strict: true, disk, clock });
  return {
    clock,
    resolver,
    server,
    memory,
    listings,
    spf,
    patterns: patterns.value,
    databases: openDatabases({ disk, directory, trouble }),
    access: accessBy(rules, async (state) => {
      // a site without rules has none to complain of
      const found = await disk.stat(file).catch(() => true);
      if (state.rules || found) for (const problem of state.problems) trouble(problem);
    }),
  };
}

/** Without a file, or with a bad one and none before: everybody is allowed, with no variables. */
function accessBy(rules: RulesFile, changed: (state: RulesState) => Promise<void>): World["access"] {
  let told: RulesState | undefined;
  return async (address, name): Promise<Access> => {
    const state = await rules.current();
    if (state !== told) await changed(state);
    told = state;
    const judged = state.rules && judgeClient(state.rules, { address, name });
    const {
      verdict = "allow",
      variables = new Map<string, string>(),
      matches = [],
    } = judged?.ok ? judged.value : {};
    return {
      ...knownVariables(variables).known,
      denied: verdict === "deny",
      evidence: matches
        .map(({ rule, line }) => `rule "${rule}"${line === undefined ? "" : ` (line ${line})`}`)
        .join(", "),
    };
  };
}
