// The file of exceptions, read again when it changes: one that was just written counts for the next session, without a reload.

import path from "node:path";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import { type Disk, type DiskStat, readWhole } from "#sys/disk.ts";
import { type Look, lookOf } from "../look.ts";
import type { Exception, ExceptionKind } from "./line.ts";
import { type Exceptions, ExceptionTable, parseExceptions } from "./table.ts";

/** Below the directory of rules. */
export const EXCEPTIONS = "exceptions";

export interface ExceptionsOptions {
  readonly clock: Clock;
  readonly disk: Disk;
  /** Where the site's rules are. */
  readonly directory: string;
  /** Told once for each state of the file that has lines which cannot be read, or cannot be read at all. */
  readonly trouble: (text: string) => void;
}

/** The exceptions below a directory. While the file cannot be read, what was read counts. */
export const openExceptions = (options: ExceptionsOptions): Exceptions => new ExceptionsFile(options);

class ExceptionsFile implements Exceptions {
  readonly #options: ExceptionsOptions;
  readonly #file: string;
  #table = new ExceptionTable([]);
  /** How the file looked when it was read. */
  #seen: string | undefined = "";
  #told = "";

  constructor(options: ExceptionsOptions) {
    this.#options = options;
    this.#file = path.join(options.directory, EXCEPTIONS);
  }

  async find(kind: ExceptionKind, subject: string): Promise<Exception | undefined> {
    try {
      const found = await this.#options.disk.stat(this.#file);
      const look = lookOf(found, this.#options.clock);
      if (look.now !== this.#seen) await this.#read(found, look);
    } catch (thrown) {
      this.#tell(`Cannot use ${this.#file}: ${messageOf(thrown)}`);
    }
    return this.#table.find(kind, subject, this.#options.clock.now());
  }

  async #read(found: DiskStat | undefined, look: Look): Promise<void> {
    const { disk } = this.#options;
    const most = limits.policy.exceptions;
    if (found && !found.regular) throw new Error("it is not a file");
    if (found && found.size > most) throw new Error(`it is longer than ${most} bytes`);
    const bytes = found && (await readWhole(disk, this.#file, most));
    const { exceptions, problems } = parseExceptions(bytes?.toString() ?? "");
    this.#table = new ExceptionTable(exceptions);
    this.#seen = look.remembered;
    if (problems.length > 0) this.#tell(`${EXCEPTIONS}: ${problems.slice(0, 10).join("; ")}`);
    else this.#told = "";
  }

  #tell(text: string): void {
    if (text !== this.#told) this.#options.trouble(text);
    this.#told = text;
  }
}
