// One role's log on disk: `current` grows by whole batches of lines, and becomes `@<tai64n>.s` when it is full, as multilog does it.
// A disk that does not take the lines stops nobody: they wait, bounded, and those that do not fit are counted.

import fs from "node:fs";
import path from "node:path";
import type { Clock, Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { formatTai64n, parseTai64n } from "#wire/tai64.ts";

export interface Keeping {
  /** Bytes of one file. */
  readonly size: number;
  /** Closed files kept. */
  readonly files: number;
}

/** What can fail for long: tests pass one that does. Writes at the end; how many bytes the disk took. */
export type Append = (fd: number, bytes: Buffer) => Promise<number>;

export const append: Append = (fd, bytes) =>
  new Promise((resolve, reject) => {
    fs.write(fd, bytes, (error, written) => (error ? reject(error) : resolve(written)));
  });

export interface LogFileOptions {
  /** log/<role> */
  readonly directory: string;
  readonly clock: Clock;
  readonly keeping: Keeping;
  /** So many lines could not be kept; the line that tells it. */
  readonly lost: (count: number) => string;
  readonly append?: Append;
}

/** Lines of this time (ms) are written together. */
const GATHER = 20;
/** After a disk that refused, the next try. */
const RETRY = 1000;

/** In ms; stamps are no finer. */
const MICROSECOND = 0.001;

const CURRENT = "current";
const CLOSED = /^@[0-9a-f]{24}\.[su]$/;

export class LogFile {
  readonly #options: LogFileOptions;
  readonly #append: Append;
  #keeping: Keeping;
  #fd: number | undefined;
  /** Bytes in `current`. */
  #size = 0;
  #waiting: Buffer[] = [];
  #waitingSize = 0;
  #lost = 0;
  /** `current` ends in half a line whose rest waits: no new file before it is whole. */
  #torn = false;
  #timer: Timer | undefined;
  #writing: Promise<boolean> | undefined;

  constructor(options: LogFileOptions) {
    this.#options = options;
    this.#append = options.append ?? append;
    this.#keeping = options.keeping;
  }

  set keeping(keeping: Keeping) {
    this.#keeping = keeping;
  }

  /** Takes one line without newline; never waits, never throws. */
  line(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    if (this.#waitingSize + bytes.length > limits.log.buffered) {
      this.#lost++;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingSize += bytes.length;
    this.#soon(GATHER);
  }

  /** Writes what waits, once more even if the disk has refused, and closes. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#writing;
    await this.#flush();
    this.#timer?.cancel();
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
    this.#fd = undefined;
  }

  #soon(ms: number): void {
    this.#timer ??= this.#options.clock.after(ms, () => {
      this.#timer = undefined;
      void this.#flush();
    });
  }

  /** One flush at a time; what comes meanwhile goes with the next. */
  async #flush(): Promise<void> {
    if (this.#writing !== undefined) return;
    this.#writing = this.#writeAll();
    const done = await this.#writing;
    this.#writing = undefined;
    if (this.#waiting.length > 0) this.#soon(done ? GATHER : RETRY);
  }

  /** False when the disk refused; what it did not take waits on. */
  async #writeAll(): Promise<boolean> {
    try {
      while (this.#waiting.length > 0 || this.#lost > 0) {
        const fd = this.#open();
        if (!this.#torn && !this.#fits(this.#waiting[0]?.length ?? 0)) {
          this.#rotate(fd);
          continue;
        }
        await this.#writeBatch(fd, this.#take());
        this.#tellLost();
      }
      return true;
    } catch {
      // the disk is full or broken: the lines are still here, and there is nobody else to tell
      return false;
    }
  }

  #fits(bytes: number): boolean {
    return this.#size === 0 || this.#size + bytes <= this.#keeping.size;
  }

  /** As many lines as this file still takes. */
  #take(): Buffer {
    let count = 0;
    let bytes = 0;
    for (const line of this.#waiting) {
      if (count > 0 && this.#size + bytes + line.length > this.#keeping.size) break;
      bytes += line.length;
      count++;
    }
    this.#waitingSize -= bytes;
    return Buffer.concat(this.#waiting.splice(0, count), bytes);
  }

  /** Puts back what was not written, so that the file holds every byte once. */
  async #writeBatch(fd: number, batch: Buffer): Promise<void> {
    let at = 0;
    try {
      while (at < batch.length) {
        const written = await this.#append(fd, batch.subarray(at));
        at += written;
        this.#size += written;
      }
    } catch (thrown) {
      this.#torn ||= at > 0;
      this.#waiting.unshift(batch.subarray(at));
      this.#waitingSize += batch.length - at;
      throw thrown;
    }
    this.#torn = false;
  }

  #tellLost(): void {
    if (this.#lost === 0 || this.#waiting.length > 0) return;
    const bytes = Buffer.from(`${this.#options.lost(this.#lost)}\n`);
    this.#lost = 0;
    this.#waiting.push(bytes);
    this.#waitingSize += bytes.length;
  }

  #open(): number {
    if (this.#fd !== undefined) return this.#fd;
    const { directory } = this.#options;
    fs.mkdirSync(directory, { recursive: true, mode: 0o750 });
    const fd = fs.openSync(path.join(directory, CURRENT), "a+", 0o640);
    this.#fd = fd;
    this.#size = fs.fstatSync(fd).size;
    // a crash can leave half a line; the next one starts on its own
    const last = Buffer.alloc(1);
    if (this.#size > 0 && fs.readSync(fd, last, 0, 1, this.#size - 1) === 1 && last[0] !== 0x0a)
      this.#size += fs.writeSync(fd, "\n");
    return fd;
  }

  /** ".s": closed as a whole, as multilog names it. It is not synced: Node's permissions deny that, and a power failure would still
   * take the last lines of `current`. */
  #rotate(fd: number): void {
    const { directory } = this.#options;
    const closed = fs
      .readdirSync(directory)
      .filter((each) => CLOSED.test(each))
      .sort();
    const name = this.#nameBehind(closed.at(-1));
    fs.renameSync(path.join(directory, CURRENT), path.join(directory, name));
    fs.closeSync(fd);
    this.#fd = undefined;
    this.#size = 0;
    const surplus = Math.max(0, closed.length + 1 - this.#keeping.files);
    for (const each of [...closed, name].slice(0, surplus))
      fs.rmSync(path.join(directory, each), { force: true });
  }

  /** Now; but behind the newest closed file, however fast files fill and wherever the clock jumps. */
  #nameBehind(newest: string | undefined): string {
    const before = parseTai64n(newest ?? "") ?? 0;
    return `${formatTai64n(Math.max(this.#options.clock.now(), before + MICROSECOND))}.s`;
  }
}
