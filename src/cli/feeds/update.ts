// An update of a feed: fetched, read, checked, written as a version, run over the recorded sessions, and only then in use. One that
// would refuse mail that was wanted waits until a person has looked at it.

import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import type { DatabaseName } from "#policy/databases.ts";
import { activeFeeds } from "#policy/feeds/active.ts";
import { broadEntries } from "#policy/feeds/breadth.ts";
import { type Feed, type FeedFile, readFeed } from "#policy/feeds/feed.ts";
import { checkManifest, parseKey } from "#policy/feeds/manifest.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { Refusal } from "../exit.ts";
import type { Site } from "../recorded.ts";
import {
  changeLines,
  count,
  entries,
  inPlace,
  losses,
  type Replayed,
  withFeeds,
  without,
} from "../replaying.ts";
import { RULES } from "../rulesdirectory.ts";
import { loadSource } from "./source.ts";
import {
  activate,
  activeOf,
  digestOf,
  type FeedState,
  readState,
  removeVersions,
  type Version,
  versionOf,
  writeState,
  writeVersion,
} from "./store.ts";

export type Updated =
  | { readonly kind: "active"; readonly entries: number; readonly sessions: number }
  | { readonly kind: "unchanged"; readonly entries: number }
  | { readonly kind: "held"; readonly why: readonly string[]; readonly report: readonly string[] }
  | { readonly kind: "refused"; readonly why: readonly string[] };

/** Fetches a feed and lets it count, if nothing speaks against that. Whatever goes wrong, what counted goes on counting. */
export async function updateFeed(name: string, site: Site, days: number): Promise<Updated> {
  const state = readState(name);
  let files: readonly FeedFile[];
  try {
    files = await loadSource(state.source);
  } catch (thrown) {
    return { kind: "refused", why: [messageOf(thrown)] };
  }
  const read = readFeed(files);
  const active = activeOf(name);
  const signed = checkSignature(files, read, state.key);
  const left = new Set(state.except);
  const problems = [
    ...(typeof signed === "string" ? [signed] : []),
    ...olderThan(active, typeof signed === "string" ? undefined : signed?.serial),
    ...read.problems,
    ...broadEntries(read, site.ours, left),
  ];
  if (problems.length > 0 || typeof signed === "string") return { kind: "refused", why: problems };
  const feed = { entries: leftOut(read, left), patterns: read.patterns };
  if (active?.about.digest === digestOf(feed)) {
    await forget(name, state, active);
    return { kind: "unchanged", entries: active.about.entries };
  }
  const serial = signed?.serial;
  const about = { signed: signed !== undefined, ...(serial === undefined ? {} : { serial }) };
  return take(name, await writeVersion(name, feed, about), { state, active, site, days });
}

interface Taking {
  readonly state: FeedState;
  readonly active: Version | undefined;
  readonly site: Site;
  readonly days: number;
}

async function take(name: string, version: Version, { state, active, site, days }: Taking): Promise<Updated> {
  const result = await tryOut(name, version, site, { days, waits: true });
  const why = reasons(version, active, result);
  if (why.length === 0) {
    await activate(name, version, state);
    return { kind: "active", entries: version.about.entries, sessions: result.sessions };
  }
  await writeState(name, { ...state, candidate: { version: version.version, why } });
  removeVersions(name, [active?.version, version.version]);
  return { kind: "held", why, report: changeLines(losses(result)) };
}

/** What would change for the recorded sessions with this version; of one that counts already, what it changes. */
export async function tryOut(
  name: string,
  { directory }: Version,
  site: Site,
  { days, waits }: { readonly days: number; readonly waits: boolean },
): Promise<Replayed> {
  const active = await activeFeeds({ disk: quickDisk, clock: systemClock, directory: RULES }).places();
  const before = waits ? active : without(active, name);
  return withFeeds(site, { before, after: inPlace(active, { name, directory }) }, days);
}

/** Why a person should look at it first. */
export function reasons(version: Version, active: Version | undefined, result: Replayed): readonly string[] {
  const why: string[] = [];
  const lost = losses(result);
  if (lost.length > 0)
    why.push(
      `It would refuse mail that was wanted: ${count(lost.length, "recipient")} of ${count(result.sessions, "recorded session")}`,
    );
  const [now, before] = [version.about.entries, active?.about.entries ?? 0];
  if (now < before * limits.feeds.shrunk)
    why.push(`It has ${entries(now)}, and the active version has ${before}`);
  return why;
}

/** Undefined: no key was given. A text: why it cannot be believed. */
function checkSignature(files: readonly FeedFile[], feed: Feed, keyText: string) {
  if (keyText === "") return undefined;
  const key = parseKey(keyText);
  if (!key.ok) throw new Refusal(`Cannot use the key: ${key.error}`);
  const checked = checkManifest(files, feed.files, key.value);
  return checked.ok ? checked.value : `It cannot be believed: ${checked.error}`;
}

function olderThan(active: Version | undefined, serial: number | undefined): readonly string[] {
  const before = active?.about.serial;
  if (before === undefined || (serial ?? -1) >= before) return [];
  return [
    `Its serial is ${serial ?? "missing"}, and the active version has ${before}: somebody sends an old one`,
  ];
}

function leftOut(
  { entries: all }: Feed,
  left: ReadonlySet<string>,
): ReadonlyMap<DatabaseName, ReadonlySet<string>> {
  return new Map([...all].map(([name, each]) => [name, new Set([...each].filter((one) => !left.has(one)))]));
}

/** What waits is no longer what the feed says. */
async function forget(name: string, state: FeedState, active: Version): Promise<void> {
  if (!state.candidate) return;
  const { candidate: _, ...rest } = state;
  await writeState(name, rest);
  removeVersions(name, [active.version]);
}

/** The version that waits; Refusal when none does. */
export function waitingOf(name: string, state: FeedState): Version {
  const waiting = versionOf(name, state.candidate?.version);
  if (waiting) return waiting;
  throw new Refusal(`No version of feed "${name}" waits; see: kenro spamdb list`);
}
