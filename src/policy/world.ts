// The world of the rules, put together: what smtpd and `kenro policy explain` share.

import path from "node:path";
import type { Clock } from "#base/clock.ts";
import type { PolicySlice } from "#config/slice.ts";
import { Blocklists } from "#origin/dnsbl.ts";
import { parseListEntry } from "#origin/dnsblentry.ts";
import { checkMailFrom, type SpfAnswer } from "#origin/spf.ts";
import type { Disk } from "#sys/disk.ts";
import type { Resolver } from "#sys/resolver.ts";
import { openExceptions } from "./exceptions/file.ts";
import type { Access, Listing, Memory, Server, SpfFinding, World } from "./facts.ts";
import { activeFeeds, type FeedPlaces, patternsOf } from "./feeds/active.ts";
import { openDatabases } from "./feeds/database.ts";
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
  readonly traps: readonly string[];
  /** A rule file or database that cannot be used, one sentence; told once for each. */
  readonly trouble: (text: string) => void;
  /** Where the feeds are, if not where they are active. */
  readonly feeds?: FeedPlaces;
}

export function openWorld(options: WorldOptions): World {
  const { clock, disk, directory, resolver, server, memory, listings, traps, trouble } = options;
  const feeds = options.feeds ?? activeFeeds({ disk, clock, directory });
  const file = path.join(directory, "smtp.rules");
  let greetDelays = false;
  const rules = new RulesFile({ path: file, strict: true, disk, clock });
  return {
    clock,
    resolver,
    server,
    memory,
    listings,
    traps: new Set(traps),
    spf: async (question) => {
      const answer = await checkMailFrom({ ...question, receiver: server.hostname }, { resolver, clock });
      return findingOf(answer, resolver);
    },
    patterns: patternsOf({ disk, feeds, trouble }),
    databases: openDatabases({ clock, disk, directory, trouble, feeds }),
    exceptions: openExceptions({ clock, disk, directory, trouble }),
    greetDelays: () => greetDelays,
    access: accessBy(rules, async (state) => {
      greetDelays = state.rules?.cdb.includes("+GREETDELAY=") === true;
      // a site without rules has none to complain of
      const found = await disk.stat(file).catch(() => true);
      if (state.rules || found) for (const problem of state.problems) trouble(problem);
    }),
  };
}

/** The lists in DNS that the configuration names; entries that cannot be read are told and left out. */
export function listingsBy(
  { lists }: PolicySlice,
  { clock, resolver, trouble }: Pick<WorldOptions, "clock" | "resolver" | "trouble">,
): (address: string) => Promise<readonly Listing[]> {
  const entries = lists.flatMap((written) => {
    const entry = parseListEntry(written);
    if (!entry.ok) trouble(`policy.lists: ${entry.error}`);
    return entry.ok ? [entry.value] : [];
  });
  if (entries.length === 0) return async () => [];
  const blocklists = new Blocklists({
    entries,
    resolver,
    clock,
    alert: ({ zone, kind, why }) => trouble(`The list ${zone} is ${kind}: ${why}`),
  });
  return async (address) => {
    const { listings } = await blocklists.checkAddress(address);
    return listings.map(({ zone, weight, text = "" }) => ({ zone, weight, text }));
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

/** A network this large is the Internet, by a domain that does not want to say who sends for it. */
const WIDE = { ip4: 8, ip6: 16 } as const;

/** What SPF's answer is worth. */
export async function findingOf(answer: SpfAnswer, resolver: Resolver): Promise<SpfFinding> {
  const { result, domain, mechanism = "", why = "" } = answer;
  const term = mechanism.replace(/^[+?~-]/, "").toLowerCase();
  const [, kind, bits] = /^(ip[46]):.*\/(\d+)$/.exec(term) ?? [];
  const wide = kind !== undefined && Number(bits) < WIDE[kind as keyof typeof WIDE];
  return {
    kind: result,
    evidence: [`SPF ${result} for ${domain}`, mechanism === "" ? why : mechanism].filter(Boolean).join(": "),
    everybody: result === "pass" && (term === "all" || wide),
    never: result === "fail" && term === "all" && (await sendsNothing(domain, resolver)),
  };
}

/** `v=spf1 -all` and nothing else. */
async function sendsNothing(domain: string, resolver: Resolver): Promise<boolean> {
  const answer = await resolver.txt(domain);
  return answer.kind === "found" && answer.records.some((record) => /^v=spf1 +-all *$/i.test(record));
}
