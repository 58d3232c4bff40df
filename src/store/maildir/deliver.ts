// Delivery into a Maildir, exactly once: the steps L2–L7 of docs/local.md. Files hold LF line ends.

import { codeOf } from "#base/problem.ts";
import { createAnew, type Disk, type DiskFile } from "#sys/disk.ts";
import { ToUnix, toUnix } from "#wire/message/unix.ts";
import { Recent } from "./recent.ts";
import { SyncGate } from "./syncgate.ts";

/** The message body as the spool gives it. */
export interface LetterBody {
  readonly size: number;
  /** All of it, when it is small. */
  readonly whole: Buffer | undefined;
  chunks(): AsyncIterable<Buffer>;
}

export interface Letter {
  /** Says which delivery this is: `<seconds>.<id>.<index>.<host>`; no "/", ",", ":" or control characters. */
  readonly base: string;
  /** Lines put in front of the message, with LF. */
  readonly head: Buffer;
  readonly body: LetterBody;
  /** Whether the file, of so many bytes, may be put there, unless an earlier delivery has done so; missing: it may. Rejects when that cannot be known now. */
  readonly mayAdd?: (bytes: number) => Promise<boolean>;
}

export interface Dropped {
  readonly file: string;
  /** An earlier delivery was found; nothing was written. */
  readonly again: boolean;
  /** It may not be put there; nothing was written. */
  readonly full: boolean;
}

/** A host name as part of a Maildir file name (maildir(5): "/" and ":" must not stand there; the comma is ours). */
export const fileHost = (hostname: string): string => hostname.replaceAll(/[/:,\s]/g, "_");

/** Leftovers in tmp/ are removed at this age (maildir(5)). */
const STALE = 36 * 3_600_000;

export class Mailbox {
  readonly #disk: Disk;
  readonly #at: string;
  readonly #recent: Recent;
  readonly #tmpGate: SyncGate;
  readonly #newGate: SyncGate;
  /** Deliveries under way by their base names. */
  readonly #under = new Map<string, Promise<Dropped>>();
  #made: Promise<void> | undefined;

  /** `at`: the Maildir itself; it is made when the first message comes. */
  constructor(disk: Disk, at: string) {
    this.#disk = disk;
    this.#at = at;
    this.#recent = new Recent(disk, at);
    this.#tmpGate = new SyncGate(() => disk.syncDirectory(`${at}/tmp`));
    this.#newGate = new SyncGate(() => disk.syncDirectory(`${at}/new`));
  }

  /** Resolves when the message is durably in the Maildir. `now` (ms since 1970) decides what in tmp/ is stale. Trouble: it may or may not be there; ask again with `again`. */
  async deliver(letter: Letter, again: boolean, now: number): Promise<Dropped> {
    const { base } = letter;
    let before = this.#under.get(base);
    const waited = before !== undefined;
    // a queue that was restarted asks again for what we still work on: two at the same file would destroy each other's work
    for (; before; before = this.#under.get(base)) {
      await before.catch(() => {
        // its end is known to whoever asked for it; we look ourselves
      });
    }
    const work = this.#attempt(letter, again || waited, now);
    this.#under.set(base, work);
    try {
      return await work;
    } finally {
      this.#under.delete(base);
    }
  }

  /** Being delivered to now: must not be forgotten, because its record has one writer. */
  get busy(): boolean {
    return this.#under.size > 0;
  }

  close(): Promise<void> {
    return this.#recent.close();
  }

  async #attempt(letter: Letter, again: boolean, now: number): Promise<Dropped> {
    this.#made ??= this.#make(now);
    try {
      await this.#made;
      return await this.#drop(letter, again);
    } catch (trouble) {
      // somebody removed the Maildir under us: the next attempt makes it anew
      if (codeOf(trouble) === "ENOENT") await this.#recent.close();
      this.#made = undefined;
      throw trouble;
    }
  }

  async #drop(letter: Letter, again: boolean): Promise<Dropped> {
    const sized = await measure(letter);
    const name = `${letter.base},S=${sized.unixSize},W=${sized.wireSize}`;
    const earlier = again ? await this.#earlier(letter.base, name) : "none";
    switch (earlier) {
      case "there":
      case "taken":
        await Promise.all([this.#newGate.pass(), this.#recent.settle()]);
        return { file: name, again: true, full: false };
      case "none":
        if (letter.mayAdd && !(await letter.mayAdd(sized.unixSize)))
          return { file: name, again: false, full: true };
        await this.#write(name, letter, sized);
        break;
      case "ready":
    }
    await this.#show(name, await this.#recent.add(letter.base));
    return { file: name, again: false, full: false };
  }

  /** L2: the table in docs/local.md. */
  async #earlier(base: string, name: string): Promise<"there" | "ready" | "taken" | "none"> {
    for (const place of ["new", "cur"]) {
      const names = await this.#disk.list(`${this.#at}/${place}`);
      if (names.some((each) => baseOf(each) === base)) return "there";
    }
    if (!(await this.#recent.has(base))) return "none";
    return (await this.#disk.stat(`${this.#at}/tmp/${name}`)) ? "ready" : "taken";
  }

  /** L3 and L4. */
  async #write(name: string, letter: Letter, sized: Sized): Promise<void> {
    const tmp = `${this.#at}/tmp/${name}`;
    const file = await createAnew(this.#disk, tmp, 0o600);
    try {
      await writeLetter(file, letter, sized);
      await bothSettled(file.sync(), this.#tmpGate.pass());
    } catch (trouble) {
      await this.#disk.remove(tmp).catch(() => {
        // it stays as a leftover, which is removed later
      });
      throw trouble;
    } finally {
      await file.close();
    }
  }

  /** L6 and L7. */
  async #show(name: string, syncRecent: () => Promise<void>): Promise<void> {
    try {
      await this.#disk.rename(`${this.#at}/tmp/${name}`, `${this.#at}/new/${name}`);
    } catch (trouble) {
      await syncRecent();
      throw trouble;
    }
    await bothSettled(this.#newGate.pass(), syncRecent());
  }

  async #make(now: number): Promise<void> {
    for (const place of ["tmp", "new", "cur"]) await this.#disk.makeDirectory(`${this.#at}/${place}`, 0o700);
    await this.#sweep(now).catch(() => {
      // leftovers harm nobody; the next start tries again
    });
  }

  /** Leftovers of crashes go; a file that is in the record has been promised (second row of the table) and stays. */
  async #sweep(now: number): Promise<void> {
    for (const name of await this.#disk.list(`${this.#at}/tmp`)) {
      const path = `${this.#at}/tmp/${name}`;
      const found = await this.#disk.stat(path);
      if (!found || now - found.mtimeMs <= STALE || (await this.#recent.has(baseOf(name)))) continue;
      if (found.directory) await this.#disk.removeTree(path);
      else await this.#disk.remove(path);
    }
  }
}

/** A file name without sizes and flags. */
const baseOf = (name: string): string => /^[^,:]*/.exec(name)?.[0] ?? "";

/** Waits for both, whatever becomes of either: nothing may still use a file that is closed next. */
async function bothSettled(one: Promise<void>, other: Promise<void>): Promise<void> {
  for (const result of await Promise.allSettled([one, other]))
    if (result.status === "rejected") throw result.reason;
}

interface Sized {
  /** Bytes in the file. */
  readonly unixSize: number;
  /** Bytes with CRLF line ends, as a reader serves them. */
  readonly wireSize: number;
  /** The body as it goes to disk, when it is small. */
  readonly unix: Buffer | undefined;
}

/** The sizes that the name tells; a large body is read once for it. */
async function measure({ head, body }: Letter): Promise<Sized> {
  const headLines = head.toString("latin1").split("\n").length - 1;
  const wireHead = head.length + headLines;
  if (body.whole) {
    const unix = toUnix(body.whole);
    return { unixSize: head.length + unix.length, wireSize: wireHead + body.size, unix };
  }
  let unixSize = head.length;
  const codec = new ToUnix();
  for await (const chunk of body.chunks()) unixSize += codec.feed(chunk).length;
  return { unixSize: unixSize + codec.end().length, wireSize: wireHead + body.size, unix: undefined };
}

async function writeLetter(file: DiskFile, { head, body }: Letter, { unix }: Sized): Promise<void> {
  if (unix) return file.write([head, unix], 0);
  await file.write([head], 0);
  let at = head.length;
  const codec = new ToUnix();
  const put = async (bytes: Buffer) => {
    if (bytes.length === 0) return;
    await file.write([bytes], at);
    at += bytes.length;
  };
  for await (const chunk of body.chunks()) await put(codec.feed(chunk));
  await put(codec.end());
}
