// A feed: rules that somebody else keeps, in spamdb's layout. Directories whose files are entries (badhelodir/, badhelodir/unknown/,
// badmailfromdir/, badrcpttodir/), files with one entry a line (badhelo, badmailfrom, badrcptto), and `patterns` of names that look dynamic.

import { limits } from "#base/limits.ts";
import type { DatabaseName } from "../databases.ts";
import { parsePatterns } from "../names.ts";
import { DIRECTORIES, LINES } from "./database.ts";
import { entryName, listedEntries } from "./entry.ts";

export interface FeedFile {
  /** Plain: wire/tar.ts `plainPath`. */
  readonly path: string;
  readonly bytes: Buffer;
}

export const PATTERNS = "patterns";

export interface Feed {
  readonly entries: ReadonlyMap<DatabaseName, ReadonlySet<string>>;
  /** Text that parsePatterns() reads; "" for none. */
  readonly patterns: string;
  /** What counts, as it came. */
  readonly files: readonly FeedFile[];
  /** Files that are no rules of ours: a Makefile, notes. */
  readonly ignored: number;
  /** Why it cannot be used, one sentence each. */
  readonly problems: readonly string[];
}

/** How many entries all databases have together. */
export const countOf = ({ entries }: Pick<Feed, "entries">): number =>
  [...entries.values()].reduce((sum, each) => sum + each.size, 0);

/** What keepers of directories leave in them, so that they are there. */
const LEFT = new Set([".gitkeep", ".gitignore", ".cvsignore", ".keep", ".ds_store", "makefile", "readme"]);
const VERSIONED = /(?:^|\/)(?:CVS|\.git|\.svn|RCS)(?:\/|$)/;

/** Reads all files of a feed. Archives may have one directory around everything. */
export function readFeed(given: Iterable<FeedFile>): Feed {
  const all = withoutTop([...given]);
  const reading = new Reading();
  for (const file of all) reading.take(file);
  return reading.feed();
}

function withoutTop(files: readonly FeedFile[]): readonly FeedFile[] {
  const top = files[0]?.path.split("/")[0] ?? "";
  if (databaseOf(`${top}/x`) !== undefined || !files.every(({ path }) => path.startsWith(`${top}/`)))
    return files;
  return files.map(({ path, bytes }) => ({ path: path.slice(top.length + 1), bytes }));
}

/** The database in whose directory this file lies. */
function databaseOf(path: string): DatabaseName | undefined {
  const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
  return DIRECTORIES.get(parent);
}

class Reading {
  readonly #entries = new Map<DatabaseName, Set<string>>();
  readonly #files: FeedFile[] = [];
  readonly #problems: string[] = [];
  readonly #seen = new Set<string>();
  #patterns = "";
  #ignored = 0;
  #count = 0;

  take(file: FeedFile): void {
    const { path, bytes } = file;
    if (this.#seen.has(path)) this.#problem(`"${path}" is there twice`);
    this.#seen.add(path);
    const database = databaseOf(path);
    const lines = LINES.get(path);
    if (VERSIONED.test(path)) this.#ignored++;
    else if (database) this.#takeEntry(database, file);
    else if (lines) this.#takeLines(lines, file);
    else if (path === PATTERNS) this.#takePatterns(bytes);
    else if ([...DIRECTORIES.keys()].some((each) => path.startsWith(`${each}/`)))
      this.#problem(`"${path}" lies in a directory that is no database`);
    else {
      this.#ignored++;
      return;
    }
    this.#files.push(file);
  }

  #takeEntry(database: DatabaseName, { path }: FeedFile): void {
    const text = path.slice(path.lastIndexOf("/") + 1);
    if (LEFT.has(text.toLowerCase())) return;
    const name = entryName(Buffer.from(text));
    if (name.ok) this.#add(database, name.value);
    else this.#problem(`"${path}" cannot be an entry: ${name.error}`);
  }

  #takeLines(database: DatabaseName, { path, bytes }: FeedFile): void {
    for (const { line, name } of listedEntries(bytes)) {
      if (name.ok) this.#add(database, name.value);
      else this.#problem(`Line ${line} of "${path}" cannot be an entry: ${name.error}`);
    }
  }

  #takePatterns(bytes: Buffer): void {
    this.#patterns = bytes.toString();
    const read = parsePatterns(this.#patterns);
    if (!read.ok) for (const error of read.error) this.#problem(`"${PATTERNS}": ${error}`);
  }

  #add(database: DatabaseName, name: string): void {
    if (++this.#count === limits.feeds.entries + 1)
      this.#problem(`It has more than ${limits.feeds.entries} entries`);
    if (this.#count > limits.feeds.entries) return;
    const entries = this.#entries.get(database) ?? new Set();
    this.#entries.set(database, entries.add(name));
  }

  #problem(text: string): void {
    if (this.#problems.length < limits.rules.problems) this.#problems.push(text);
  }

  feed(): Feed {
    if (this.#count === 0 && this.#patterns.trim() === "" && this.#problems.length === 0)
      this.#problem("It has no entries: expected badhelodir/, badmailfromdir/, badrcpttodir/ or patterns");
    return {
      entries: this.#entries,
      patterns: this.#patterns,
      files: this.#files,
      ignored: this.#ignored,
      problems: this.#problems,
    };
  }
}
