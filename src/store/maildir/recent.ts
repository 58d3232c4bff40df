// The record of recent deliveries of one Maildir: base names, one a line, in `kenro-delivered` and `kenro-delivered.old`
// (docs/local.md). It outlives the message files, so that a second request for a delivery finds that the first one was made.

import { codeOf } from "#base/problem.ts";
import { type Disk, type DiskFile, readWhole } from "#sys/disk.ts";
import { SyncGate } from "./syncgate.ts";

export const RECENT = "kenro-delivered";
export const RECENT_OLD = `${RECENT}.old`;

/** At this size the record becomes the old one; two of them hold more than 1000 deliveries. */
export const RECENT_FULL = 64 * 1024;

/** A file that lines are appended to, while it is the newest one and until everybody who wrote to it has synced it. */
class Page {
  readonly gate: SyncGate;
  readonly #file: DiskFile;
  #size: number;
  #users = 0;
  #retired = false;

  constructor(file: DiskFile, size: number) {
    this.#file = file;
    this.#size = size;
    this.gate = new SyncGate(() => file.sync());
  }

  get size(): number {
    return this.#size;
  }

  enter(): void {
    this.#users++;
  }

  /** The last one out closes what is no longer the newest. */
  async leave(): Promise<void> {
    if (--this.#users === 0 && this.#retired) await this.#file.close();
  }

  async retire(): Promise<void> {
    if (this.#retired) return;
    this.#retired = true;
    if (this.#users === 0) await this.#file.close();
  }

  async write(line: Buffer): Promise<void> {
    const at = this.#size;
    this.#size += line.length;
    await this.#file.write([line], at);
  }
}

export class Recent {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #full: number;
  #page: Promise<Page> | undefined;

  /** @param full the size at which a page is the old one */
  constructor(disk: Disk, directory: string, full: number = RECENT_FULL) {
    this.#disk = disk;
    this.#directory = directory;
    this.#full = full;
  }

  /** Writes the name (L5). What it gives must be called exactly once: it syncs the record (L7). */
  async add(base: string): Promise<() => Promise<void>> {
    const page = await this.#enter();
    try {
      await page.write(Buffer.from(`${base}\n`, "latin1"));
    } catch (trouble) {
      // what stands behind the last whole line is unknown: the file is opened anew, and the next line begins on a fresh one
      await this.#abandon(page);
      throw trouble;
    }
    return () => this.#sync(page);
  }

  /** Whether a line has this name. */
  async has(base: string): Promise<boolean> {
    for (const bytes of await this.#pages()) if (hasLine(bytes, base)) return true;
    return false;
  }

  /** What follows `prefix` in each line that begins with it. */
  async behind(prefix: string): Promise<readonly string[]> {
    const pages = await this.#pages();
    return pages.flatMap((bytes) => [...restsOf(bytes, prefix)]);
  }

  /** What is in the record survives from now on. */
  async settle(): Promise<void> {
    await this.#sync(await this.#enter());
  }

  /** Lets go of the file; it is opened again when needed. */
  async close(): Promise<void> {
    const page = this.#page;
    this.#page = undefined;
    await (await page?.catch(() => undefined))?.retire();
  }

  async #pages(): Promise<readonly Buffer[]> {
    const places = [RECENT, RECENT_OLD].map((name) => `${this.#directory}/${name}`);
    const pages = await Promise.all(places.map((at) => readWhole(this.#disk, at, 4 * this.#full)));
    return pages.filter((bytes) => bytes !== undefined);
  }

  async #abandon(page: Page): Promise<void> {
    const newest = this.#page;
    if (newest && (await newest.catch(() => undefined)) === page && this.#page === newest) {
      this.#page = undefined;
      await page.retire();
    }
    await page.leave();
  }

  async #sync(page: Page): Promise<void> {
    try {
      await page.gate.pass();
    } finally {
      await page.leave();
    }
  }

  /** The newest page, entered. */
  async #enter(): Promise<Page> {
    for (;;) {
      const opening = (this.#page ??= this.#open());
      const page = await opening.catch((trouble: unknown) => {
        if (this.#page === opening) this.#page = undefined;
        throw trouble;
      });
      // another one may have turned the page, or closed it, while we waited
      if (this.#page !== opening) continue;
      if (page.size < this.#full) {
        page.enter();
        return page;
      }
      this.#page = this.#turn(page);
    }
  }

  async #open(): Promise<Page> {
    const path = `${this.#directory}/${RECENT}`;
    const file = await this.#disk.open(path).catch(async (trouble: unknown) => {
      if (codeOf(trouble) !== "ENOENT") throw trouble;
      const made = await this.#disk.create(path, 0o600);
      await this.#disk.syncDirectory(this.#directory);
      return made;
    });
    const size = await file.size();
    const page = new Page(file, size);
    // a crash may have cut the last line short
    if (size > 0) await page.write(Buffer.from("\n"));
    return page;
  }

  /** A full page becomes the old one; those who wrote to it sync it by its descriptor. */
  async #turn(full: Page): Promise<Page> {
    await full.retire();
    await this.#disk.rename(`${this.#directory}/${RECENT}`, `${this.#directory}/${RECENT_OLD}`);
    return this.#open();
  }
}

const LF = 10;
const NUL = 0;

/** Lines begin behind a newline, or behind the hole (zeros) that a lost write has left. */
function* linesFrom(bytes: Buffer, start: Buffer): Generator<number> {
  for (let at = bytes.indexOf(start); at >= 0; at = bytes.indexOf(start, at + 1)) {
    const before = at === 0 ? LF : bytes[at - 1];
    if (before === LF || before === NUL) yield at;
  }
}

const hasLine = (bytes: Buffer, base: string): boolean =>
  !linesFrom(bytes, Buffer.from(`${base}\n`, "latin1")).next().done;

/** A line without its end was not written whole. */
function* restsOf(bytes: Buffer, prefix: string): Generator<string> {
  for (const at of linesFrom(bytes, Buffer.from(prefix, "latin1"))) {
    const end = bytes.indexOf(LF, at);
    if (end >= 0) yield bytes.toString("latin1", at + prefix.length, end);
  }
}
