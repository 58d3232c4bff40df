// Session records on disk: files of JSON lines, some for each day (UTC), the oldest removed when there are too many days or bytes.

import path from "node:path";
import type { Clock, Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import { type Disk, type DiskFile, readWhole } from "#sys/disk.ts";

export interface SessionsKept {
  readonly days: number;
  /** Bytes of all files. */
  readonly size: number;
}

export interface SessionFilesOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly clock: Clock;
  readonly keeping: SessionsKept;
  /** The disk refused (told once until it takes something again), or lines were lost. */
  readonly trouble: (reason: Trouble) => void;
  /** Bytes of one file; less in tests. */
  readonly file?: number;
}

const NAME = /^(\d{4}-\d{2}-\d{2})\.(\d{4,9})\.jsonl$/;
const DAY = 86_400_000;

/** The day of a time, in UTC. */
export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

const nameOf = (day: string, part: number): string => `${day}.${String(part).padStart(4, "0")}.jsonl`;

interface Current {
  readonly day: string;
  readonly part: number;
  readonly file: DiskFile;
  size: number;
}

export class SessionFiles {
  readonly #options: SessionFilesOptions;
  #keeping: SessionsKept;
  #current: Current | undefined;
  #waiting: Buffer[] = [];
  #size = 0;
  #lost = 0;
  #timer: Timer | undefined;
  #work: Promise<void> = Promise.resolve();
  #refused = false;

  constructor(options: SessionFilesOptions) {
    this.#options = options;
    this.#keeping = options.keeping;
  }

  set keeping(keeping: SessionsKept) {
    this.#keeping = keeping;
    this.#soon(limits.ledger.gather);
  }

  /** One record on one line, without newline; never waits, never throws. */
  add(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    if (this.#size + bytes.length > limits.ledger.sessionsWaiting) {
      this.#lost++;
      return;
    }
    this.#waiting.push(bytes);
    this.#size += bytes.length;
    this.#soon(limits.ledger.gather);
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#work = this.#work.then(() => this.#flush());
    await this.#work;
    this.#timer?.cancel();
    await this.#current?.file.close().catch(() => {});
  }

  #soon(ms: number): void {
    this.#timer ??= this.#options.clock.after(ms, () => {
      this.#timer = undefined;
      this.#work = this.#work.then(() => this.#flush());
    });
  }

  async #flush(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#size = 0;
    try {
      if (waiting.length === 0) return await this.#prune();
      const current = await this.#file();
      const bytes = Buffer.concat(waiting);
      await current.file.write([bytes], current.size);
      current.size += bytes.length;
      this.#refused = false;
      this.#tellLost();
    } catch (thrown) {
      if (!this.#refused) this.#options.trouble(Trouble.from("write session records", thrown));
      this.#refused = true;
      this.#giveBack(waiting);
      await this.#leave();
      this.#soon(limits.ledger.retry);
    }
  }

  /** They wait on, as far as there is room. */
  #giveBack(waiting: readonly Buffer[]): void {
    const kept: Buffer[] = [];
    for (const each of waiting) {
      if (this.#size + each.length > limits.ledger.sessionsWaiting) {
        this.#lost++;
        continue;
      }
      kept.push(each);
      this.#size += each.length;
    }
    this.#waiting = [...kept, ...this.#waiting];
  }

  #tellLost(): void {
    if (this.#lost === 0) return;
    const reason = `${this.#lost} session records were lost while the disk took none`;
    this.#lost = 0;
    this.#options.trouble(new Trouble("write session records", reason));
  }

  async #leave(): Promise<void> {
    const before = this.#current;
    this.#current = undefined;
    await before?.file.close().catch(() => {});
  }

  /** The file for now; another one when the day is over or this one is full. */
  async #file(): Promise<Current> {
    const { clock, disk, directory, file: most = limits.ledger.sessionFile } = this.#options;
    const day = dayOf(clock.now());
    const current = this.#current;
    if (current?.day === day && current.size < most) return current;
    await this.#leave();
    const parts = await partsOf(disk, directory);
    const last = parts.filter((each) => each.day === day).at(-1);
    const reopened = last && (await this.#reopen(path.join(directory, nameOf(day, last.part)), most));
    const part = reopened ? last.part : (last?.part ?? 0) + 1;
    const opened = reopened ?? {
      file: await disk.create(path.join(directory, nameOf(day, part)), 0o600),
      size: 0,
    };
    this.#current = { day, part, ...opened };
    await this.#prune();
    return this.#current;
  }

  /** Undefined: it is full. */
  async #reopen(name: string, most: number): Promise<{ readonly file: DiskFile; size: number } | undefined> {
    const file = await this.#options.disk.open(name);
    const size = await file.size();
    if (size >= most) {
      await file.close();
      return undefined;
    }
    // a crash can leave half a line; the next one starts on its own
    const last = Buffer.alloc(1);
    const torn = size > 0 && (await file.read(last, 0, 1, size - 1)) === 1 && last[0] !== 0x0a;
    if (torn) await file.write([Buffer.from("\n")], size);
    return { file, size: torn ? size + 1 : size };
  }

  /** Days too old go; then the oldest files, until the others have room for one more. */
  async #prune(): Promise<void> {
    const { disk, directory, clock, file: most = limits.ledger.sessionFile } = this.#options;
    const { days, size } = this.#keeping;
    const first = dayOf(clock.now() - (days - 1) * DAY);
    const parts = await partsOf(disk, directory);
    const sizes = await Promise.all(
      parts.map(async ({ name }) => (await disk.stat(path.join(directory, name)))?.size ?? 0),
    );
    let sum = sizes.reduce((all, each) => all + each, 0);
    for (const [at, { name, day }] of parts.entries()) {
      // the last one is in use
      if (at === parts.length - 1 || (day >= first && sum + most <= Math.max(size, 2 * most))) return;
      await disk.remove(path.join(directory, name));
      sum -= sizes[at] ?? 0;
    }
  }
}

interface Part {
  readonly name: string;
  readonly day: string;
  readonly part: number;
}

/** The files in a directory, oldest first. */
async function partsOf(disk: Disk, directory: string): Promise<readonly Part[]> {
  const parts = (await disk.list(directory)).flatMap((name) => {
    const [, day, part] = NAME.exec(name) ?? [];
    return day === undefined ? [] : [{ name, day, part: Number(part) }];
  });
  return parts.sort((a, b) => (a.day === b.day ? a.part - b.part : a.day < b.day ? -1 : 1));
}

/** The lines of all files from the day `first` on, the newest file first, inside a file the oldest line first. */
export async function* sessionLines(
  disk: Disk,
  directory: string,
  first = "",
): AsyncGenerator<{ readonly day: string; readonly lines: readonly string[] }> {
  for (const { name, day } of [...(await partsOf(disk, directory))].reverse()) {
    if (day < first) return;
    // one batch may go beyond the bound of a file
    const most = limits.ledger.sessionFile + limits.ledger.sessionsWaiting;
    const bytes = await readWhole(disk, path.join(directory, name), most);
    yield { day, lines: (bytes ?? Buffer.alloc(0)).toString("utf8").split("\n").filter(Boolean) };
  }
}
