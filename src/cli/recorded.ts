// Recorded sessions and the rules of a site, for commands that try rules out.

import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { systemClock } from "#base/clock.ts";
import { policySliceOf } from "#config/cut.ts";
import { loadConfig } from "#config/load.ts";
import { forgetful } from "#policy/facts.ts";
import type { FeedPlace, FeedPlaces } from "#policy/feeds/active.ts";
import { judgingBy } from "#policy/judge.ts";
import { Fates, isFateLine, type Remembered, withFate } from "#policy/replay/fate.ts";
import { readSession } from "#policy/replay/record.ts";
import { isJudged, type ReplayOptions } from "#policy/replay/replay.ts";
import { openWorld } from "#policy/world.ts";
import { ownAddresses } from "#sys/addresses.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { NetworkResolver } from "#sys/resolver.ts";
import { complain } from "./call.ts";
import { enter } from "./directory.ts";
import { Refusal } from "./exit.ts";
import { RULES } from "./rulesdirectory.ts";
import { runSelf } from "./self.ts";

const SESSIONS = "ledger/sessions";
export const DAY = 86_400_000;

/** How long sessions are looked back at, as a rule. */
export const DAYS = 30;

export interface Site {
  /** Our host's name and our domains, in lower case. */
  readonly ours: ReadonlySet<string>;
  /** The rules as they are, or with these feeds in place of the active ones. */
  rules(feeds?: readonly FeedPlace[]): ReplayOptions;
}

/** The site in a data directory, which becomes the working directory. */
export function openSite(directory: string): Site {
  // the accounts are another user's: who opens them is that user from then on
  const listed = JSON.parse(runSelf(["domain", "list", "--json", "--dir", directory])) as readonly {
    readonly name: string;
  }[];
  enter(directory);
  const loaded = loadConfig(".");
  if (!loaded.ok) throw new Refusal(loaded.error.join("\n"));
  const config = loaded.value;
  const domains = new Set(listed.map(({ name }) => name.toLowerCase()));
  const policy = policySliceOf(config);
  const hostname = config.hostname.toLowerCase();
  const rules = (feeds?: readonly FeedPlace[]): ReplayOptions => ({
    ...judgingBy(policy),
    world: openWorld({
      clock: systemClock,
      disk: quickDisk,
      directory: RULES,
      // a replay asks nobody
      resolver: new NetworkResolver({ servers: config.dns.servers, clock: systemClock }),
      server: {
        hostname,
        addresses: ownAddresses(),
        isLocal: async (domain) => domains.has(domain.toLowerCase()),
      },
      memory: forgetful,
      listings: async () => [],
      traps: policy.traps,
      trouble: complain,
      ...(feeds ? { feeds: fixed(feeds) } : {}),
    }),
  });
  return { ours: new Set([hostname, ...domains]), rules };
}

const fixed = (feeds: readonly FeedPlace[]): FeedPlaces => ({ places: async () => feeds });

/** Sessions of the last days that the rules have judged, the oldest first. Lines that are no records are counted in `bad`. */
export async function* recordedSessions(days: number, bad = { lines: 0 }): AsyncGenerator<Remembered> {
  const since = Date.now() - days * DAY;
  const fates = new Fates();
  // what became of mail is told after its session, perhaps days later
  for await (const line of linesSince(since)) if (isFateLine(line) && !fates.take(line)) bad.lines++;
  for await (const line of linesSince(since)) {
    if (isFateLine(line)) continue;
    const read = readSession(Buffer.from(line));
    if (!read.ok) bad.lines++;
    else if (read.value.at >= since && isJudged(read.value)) yield withFate(read.value, fates);
  }
}

async function* linesSince(since: number): AsyncGenerator<string> {
  for (const file of sessionFiles(since)) {
    const input = fs.createReadStream(file);
    for await (const line of readline.createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }))
      if (line !== "") yield line;
  }
}

/** Those to which something was written since then. */
function sessionFiles(since: number): readonly string[] {
  const names = fs.existsSync(SESSIONS) ? fs.readdirSync(SESSIONS).sort() : [];
  const files = names.filter((name) => name.endsWith(".jsonl")).map((name) => path.join(SESSIONS, name));
  return files.filter((file) => fs.statSync(file).mtimeMs >= since);
}
