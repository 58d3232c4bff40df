// antibadmail's databases: a directory in which each file's name is an entry, and a file in which each line is one. To add an entry is to
// create a file: the next look finds it, nothing is reloaded.

import path from "node:path";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import { type Disk, readWhole } from "#sys/disk.ts";
import { type DatabaseName, type Databases, databaseNames } from "../databases.ts";
import { lookOf } from "../look.ts";
import type { FeedPlace, FeedPlaces } from "./active.ts";
import { entryName, listedEntries } from "./entry.ts";

export interface DatabaseOptions {
  readonly clock: Clock;
  readonly disk: Disk;
  /** Where the databases are. */
  readonly directory: string;
  /** Told once for each way in which one cannot be read; such a database lists nobody. */
  readonly trouble: (text: string) => void;
  readonly feeds?: FeedPlaces;
}

/** What each is called on disk: the directory, and the file of lines that qmail's control directory has. */
const files: Readonly<Record<DatabaseName, { readonly directory: string; readonly lines?: string }>> = {
  badhelo: { directory: "badhelodir", lines: "badhelo" },
  "badhelo/unknown": { directory: "badhelodir/unknown" },
  badmailfrom: { directory: "badmailfromdir", lines: "badmailfrom" },
  badrcptto: { directory: "badrcpttodir", lines: "badrcptto" },
};

/** Databases by their directories and by their files of lines. */
export const DIRECTORIES: ReadonlyMap<string, DatabaseName> = new Map(
  databaseNames.map((name) => [files[name].directory, name]),
);
export const LINES: ReadonlyMap<string, DatabaseName> = new Map(
  databaseNames.flatMap((name) => (files[name].lines === undefined ? [] : [[files[name].lines, name]])),
);

/** The databases below a directory, and those of feeds behind them. */
export function openDatabases(options: DatabaseOptions): Databases {
  const opened = new Map<string, Database>(
    databaseNames.map((name) => [name, new Database(files[name], options)]),
  );
  const feeds = options.feeds && new FeedDatabases(options, options.feeds);
  return { find: async (name, keys) => (await opened.get(name)?.find(keys)) ?? feeds?.find(name, keys) };
}

/** The databases of all feeds that are active. */
class FeedDatabases {
  readonly #options: DatabaseOptions;
  readonly #feeds: FeedPlaces;
  #places: readonly FeedPlace[] = [];
  #opened = new Map<string, Database>();

  constructor(options: DatabaseOptions, feeds: FeedPlaces) {
    this.#options = options;
    this.#feeds = feeds;
  }

  async find(name: DatabaseName, keys: readonly string[]): Promise<string | undefined> {
    const places = await this.#feeds.places();
    if (places !== this.#places) this.#opened = new Map();
    this.#places = places;
    for (const place of places) {
      const found = await this.#database(place, name).find(keys);
      if (found !== undefined) return `${found} (feed ${place.name})`;
    }
    return undefined;
  }

  #database({ directory }: FeedPlace, name: DatabaseName): Database {
    const key = `${name} ${directory}`;
    const known = this.#opened.get(key);
    if (known) return known;
    // feeds come in directories only: whoever activates one has made entries of its lines
    const made = new Database({ directory: files[name].directory }, { ...this.#options, directory });
    this.#opened.set(key, made);
    return made;
  }
}

/** Ways in which a database cannot be read that are not told again. */
const REMEMBERED = 20;

class Database {
  readonly #options: DatabaseOptions;
  readonly #directory: Directory;
  readonly #file: string | undefined;
  #lines: ReadonlySet<string> = new Set();
  /** How the file of lines looked when it was read. */
  #seen = "";
  readonly #told = new Set<string>();

  constructor(each: { readonly directory: string; readonly lines?: string }, options: DatabaseOptions) {
    this.#options = options;
    this.#directory = new Directory(options, path.join(options.directory, each.directory));
    this.#file = each.lines && path.join(options.directory, each.lines);
  }

  /** The first of the keys that is an entry. */
  async find(keys: readonly string[]): Promise<string | undefined> {
    try {
      await this.#readLines();
    } catch (thrown) {
      this.#tell(messageOf(thrown));
    }
    const listed = keys.find((key) => this.#lines.has(key));
    if (listed !== undefined) return listed;
    try {
      await this.#directory.look();
      for (const key of keys) if (await this.#directory.has(key)) return key;
    } catch (thrown) {
      this.#tell(messageOf(thrown));
    }
    return undefined;
  }

  /** Reads the lines again when the file has changed; while it cannot be read, what was read counts. */
  async #readLines(): Promise<void> {
    if (this.#file === undefined) return;
    const { disk, clock } = this.#options;
    const found = await disk.stat(this.#file);
    const look = lookOf(found, clock);
    if (look.now === this.#seen) return;
    if (found && !found.regular) throw new Error(`${this.#file} is not a file; its old lines count`);
    if (found && found.size > limits.rules.text)
      throw new Error(`${this.#file} is longer than ${limits.rules.text} bytes; its old lines count`);
    const bytes = found && (await readWhole(disk, this.#file, limits.rules.text));
    const entries = bytes ? [...listedEntries(bytes)] : [];
    this.#lines = new Set(entries.flatMap(({ name }) => (name.ok ? [name.value] : [])));
    // not again and again while it is young: it may have a million lines
    this.#seen = look.now;
  }

  #tell(text: string): void {
    if (this.#told.has(text)) return;
    // some name what was looked for, which anybody can choose
    if (this.#told.size >= REMEMBERED) this.#told.clear();
    this.#told.add(text);
    this.#options.trouble(text);
  }
}

/** A directory whose files are entries. A look at it tells of all keys at once whether its names have changed: most names of clients and
 * senders are no entry, and a look at the disk for each key of each would be a tenth of what a session costs. */
class Directory {
  readonly #options: DatabaseOptions;
  readonly #path: string;
  /** Its names at the last look; undefined: too many, each is looked for on disk. */
  #names: ReadonlySet<string> | undefined = new Set();
  /** How it looked when its names were read. */
  #seen: string | undefined = "";

  constructor(options: DatabaseOptions, place: string) {
    this.#options = options;
    this.#path = place;
  }

  async look(): Promise<void> {
    const { disk, clock } = this.#options;
    const found = await disk.stat(this.#path);
    const look = lookOf(found, clock);
    if (look.now === this.#seen) return;
    if (!found) this.#names = new Set();
    // a directory grows with its names, by at least 8 bytes for each
    else this.#names = found.size > limits.rules.directory ? undefined : new Set(await disk.list(this.#path));
    this.#seen = look.remembered;
  }

  async has(key: string): Promise<boolean> {
    const name = entryName(Buffer.from(key));
    if (!name.ok || this.#names?.has(name.value) === false) return false;
    const found = await this.#options.disk.stat(path.join(this.#path, name.value));
    // a directory such as `unknown` is no entry
    return found?.regular === true;
  }
}
