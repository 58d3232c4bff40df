// Feeds on disk, below rules/feeds/: `.NAME/feed.json` is what is known of one, `.NAME/VERSION/` a version of it, and `NAME` the link to the version that
// counts. A version is whole before anything leads to it.

import { hash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import {
  flag,
  integer,
  list,
  optional,
  readJson,
  record,
  type Shape,
  type Shaped,
  text,
} from "#base/shape.ts";
import { type DatabaseName, databaseNames } from "#policy/databases.ts";
import { FEED_NAME, FEEDS } from "#policy/feeds/active.ts";
import { DIRECTORIES } from "#policy/feeds/database.ts";
import { countOf, type Feed, PATTERNS } from "#policy/feeds/feed.ts";
import { realDisk, replaceSynced } from "#sys/disk.ts";
import { pointTo, targetOf } from "#sys/links.ts";
import { Refusal, usage } from "../exit.ts";
import { RULE_DIRECTORY, RULE_FILE, RULES } from "../rulesdirectory.ts";

const BASE = path.join(RULES, FEEDS);
const STATE = "feed.json";
const ABOUT = "about.json";
/** A source may hold a password. */
const SECRET = 0o600;

const stateShape = record({
  source: text(),
  /** The public key as it was given; "" for none. */
  key: text(),
  /** Entries that the site leaves out. */
  except: list(text()),
  /** The version that waits for the administrator, and why it does. */
  candidate: optional(record({ version: text(), why: list(text()) })),
});
export type FeedState = Shaped<typeof stateShape>;

const aboutShape = record({
  at: integer(),
  entries: integer(),
  digest: text(),
  serial: optional(integer()),
  signed: flag,
});
export type About = Shaped<typeof aboutShape>;

export interface Version {
  readonly version: string;
  readonly directory: string;
  readonly about: About;
}

const home = (name: string): string => path.join(BASE, `.${name}`);
const linkOf = (name: string): string => path.join(BASE, name);

/** Names of all feeds there are, active or not. */
export function feedNames(): readonly string[] {
  const found = fs.existsSync(BASE) ? fs.readdirSync(BASE) : [];
  const names = found.filter((name) => name.startsWith(".")).map((name) => name.slice(1));
  return names.filter((name) => FEED_NAME.test(name) && fs.existsSync(path.join(home(name), STATE))).sort();
}

export function checkName(name: string): string {
  if (FEED_NAME.test(name)) return name;
  throw usage(`"${name}" cannot be the name of a feed: use small letters, digits, "-" and "_"`);
}

function readFile<T>(shape: Shape<T>, file: string): T {
  const read = readJson(shape, fs.readFileSync(file));
  if (!read.ok) throw new Refusal(`Cannot read "${file}": ${read.error}`);
  return read.value;
}

const writeJson = (file: string, value: unknown, mode: number): Promise<void> =>
  replaceSynced(realDisk, file, Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`), mode);

/** Refusal when there is no such feed. */
export function readState(name: string): FeedState {
  const file = path.join(home(checkName(name)), STATE);
  if (fs.existsSync(file)) return readFile(stateShape, file);
  throw new Refusal(`There is no feed "${name}"; see: kenro spamdb list`);
}

export async function writeState(name: string, state: FeedState): Promise<void> {
  await realDisk.makeDirectory(home(name), RULE_DIRECTORY);
  await writeJson(path.join(home(name), STATE), state, SECRET);
}

/** A version by its name; undefined when it is gone. */
export function versionOf(name: string, version: string | undefined): Version | undefined {
  if (version === undefined || !/^v[0-9a-z]+$/.test(version)) return undefined;
  const directory = path.join(home(name), version);
  const file = path.join(directory, ABOUT);
  return fs.existsSync(file) ? { version, directory, about: readFile(aboutShape, file) } : undefined;
}

/** The version that counts. */
export const activeOf = (name: string): Version | undefined =>
  versionOf(name, targetOf(linkOf(name))?.split("/")[1]);

/** Writes a version without the entries that the site leaves out. Nothing leads to it yet. */
export async function writeVersion(
  name: string,
  feed: Pick<Feed, "entries" | "patterns">,
  more: Pick<About, "signed" | "serial">,
): Promise<Version> {
  const version = `v${Date.now().toString(36)}`;
  const directory = path.join(home(name), version);
  fs.rmSync(directory, { recursive: true, force: true });
  await realDisk.makeDirectory(directory, RULE_DIRECTORY);
  for (const [below, database] of DIRECTORIES) {
    const entries = feed.entries.get(database);
    if (!entries || entries.size === 0) continue;
    const at = path.join(directory, below);
    fs.mkdirSync(at, { recursive: true, mode: RULE_DIRECTORY });
    // names were read by entryName(): none can lead elsewhere
    for (const entry of entries) fs.closeSync(fs.openSync(path.join(at, entry), "wx", RULE_FILE));
    await realDisk.syncDirectory(at);
  }
  if (feed.patterns !== "")
    await replaceSynced(realDisk, path.join(directory, PATTERNS), Buffer.from(feed.patterns), RULE_FILE);
  const about = { at: Date.now(), entries: countOf(feed), digest: digestOf(feed), ...more };
  await writeJson(path.join(directory, ABOUT), about, RULE_FILE);
  return { version, directory, about };
}

/** What two feeds with the same rules have in common. */
export function digestOf({ entries, patterns }: Pick<Feed, "entries" | "patterns">): string {
  const lines = databaseNames.flatMap((name) =>
    [...(entries.get(name) ?? [])].sort().map((each) => `${name}/${each}`),
  );
  return hash("sha256", `${lines.join("\n")}\n\n${patterns}`);
}

/** The entries of a version, as they are on disk. */
export function readVersion({ directory }: Version): Pick<Feed, "entries" | "patterns"> {
  const entries = new Map<DatabaseName, ReadonlySet<string>>();
  for (const [below, database] of DIRECTORIES) {
    const at = path.join(directory, below);
    if (!fs.existsSync(at)) continue;
    const files = fs.readdirSync(at, { withFileTypes: true }).filter((entry) => entry.isFile());
    entries.set(database, new Set(files.map((entry) => entry.name)));
  }
  const file = path.join(directory, PATTERNS);
  return { entries, patterns: fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "" };
}

/** Takes an entry out of a version; how often it was in it. */
export async function takeOut(version: Version, entry: string): Promise<number> {
  let taken = 0;
  for (const below of DIRECTORIES.keys()) {
    const at = path.join(version.directory, below, entry);
    if (!fs.statSync(at, { throwIfNoEntry: false })?.isFile()) continue;
    if (await realDisk.remove(at)) taken++;
    await realDisk.syncDirectory(path.dirname(at));
  }
  if (taken === 0) return 0;
  const feed = readVersion(version);
  const about = { ...version.about, entries: countOf(feed), digest: digestOf(feed) };
  await writeJson(path.join(version.directory, ABOUT), about, RULE_FILE);
  return taken;
}

/** Lets a version count from now on, and removes all others. */
export async function activate(name: string, { version }: Version, state: FeedState): Promise<void> {
  await pointTo(linkOf(name), `.${name}/${version}`);
  const { candidate: _, ...rest } = state;
  await writeState(name, rest);
  removeVersions(name, [version]);
}

/** Removes versions that neither count nor wait. */
export function removeVersions(name: string, kept: readonly (string | undefined)[]): void {
  const versions = fs.readdirSync(home(name)).filter((each) => /^v[0-9a-z]+$/.test(each));
  for (const each of versions)
    if (!kept.includes(each)) fs.rmSync(path.join(home(name), each), { recursive: true, force: true });
}

/** The feed no longer counts, and nothing of it stays. */
export async function removeFeed(name: string): Promise<void> {
  readState(name);
  fs.rmSync(linkOf(name), { force: true });
  await realDisk.syncDirectory(BASE);
  fs.rmSync(home(name), { recursive: true, force: true });
}
