// antibadmail's databases: a directory in which each file's name is an entry, and a file in which each line is one. To add an entry is to
// create a file: the next look finds it, nothing is reloaded.

import path from "node:path";
import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import { type Disk, readWhole } from "#sys/disk.ts";
import type { DatabaseName, Databases } from "../databases.ts";
import { entryName, listedEntries } from "./entry.ts";

export interface DatabaseOptions {
  readonly disk: Disk;
  /** Where the databases are. */
  readonly directory: string;
  /** Told once for each way in which one cannot be read; such a database lists nobody. */
  readonly trouble: (text: string) => void;
}

/** What each is called on disk: the directory, and the file of lines that qmail's control directory has. */
const files: Readonly<Record<DatabaseName, { readonly directory: string; readonly lines?: string }>> = {
  badhelo: { directory: "badhelodir", lines: "badhelo" },
  "badhelo/unknown": { directory: "badhelodir/unknown" },
  badmailfrom: { directory: "badmailfromdir", lines: "badmailfrom" },
  badrcptto: { directory: "badrcpttodir", lines: "badrcptto" },
};

/** The databases below a directory. */
export function openDatabases(options: DatabaseOptions): Databases {
  const opened = new Map(Object.entries(files).map(([name, each]) => [name, new Database(each, options)]));
  return { find: async (name, keys) => opened.get(name)?.find(keys) };
}

class Database {
  readonly #options: DatabaseOptions;
  readonly #directory: string;
  readonly #file: string | undefined;
  #lines: ReadonlySet<string> = new Set();
  /** How the file of lines looked when it was read. */
  #seen = "";
  #told = "";

  constructor(each: { readonly directory: string; readonly lines?: string }, options: DatabaseOptions) {
    this.#options = options;
    this.#directory = path.join(options.directory, each.directory);
    this.#file = each.lines && path.join(options.directory, each.lines);
  }

  /** The first of the keys that is an entry. */
  async find(keys: readonly string[]): Promise<string | undefined> {
    try {
      await this.#readLines();
      for (const key of keys) if (this.#lines.has(key) || (await this.#hasFile(key))) return key;
    } catch (thrown) {
      this.#tell(messageOf(thrown));
    }
    return undefined;
  }

  async #hasFile(key: string): Promise<boolean> {
    const name = entryName(Buffer.from(key));
    if (!name.ok) return false;
    const found = await this.#options.disk.stat(path.join(this.#directory, name.value));
    // a directory such as `unknown` is no entry
    return found?.regular === true;
  }

  /** Reads the lines again when the file has changed; while it cannot be read, what was read counts. */
  async #readLines(): Promise<void> {
    if (this.#file === undefined) return;
    const { disk } = this.#options;
    const found = await disk.stat(this.#file);
    const seen = found ? JSON.stringify(found) : "";
    if (seen === this.#seen) return;
    const bytes = found && (await readWhole(disk, this.#file, limits.rules.text));
    if (bytes && bytes.length > limits.rules.text)
      throw new Error(`${this.#file} is longer than ${limits.rules.text} bytes; its old lines count`);
    const entries = bytes ? [...listedEntries(bytes)] : [];
    this.#lines = new Set(entries.flatMap(({ name }) => (name.ok ? [name.value] : [])));
    this.#seen = seen;
  }

  #tell(text: string): void {
    if (text === this.#told) return;
    this.#told = text;
    this.#options.trouble(text);
  }
}
