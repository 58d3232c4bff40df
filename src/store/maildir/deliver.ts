// Delivery into a Maildir, exactly once: the steps L2–L7 of docs/local.md. Files hold LF line ends.

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
}

export interface Dropped {
  readonly file: string;
  /** An earlier delivery was found; nothing was written. */
  readonly again: boolean;
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
  #made: Promise<void> | undefined;
  #deliveries = 0;

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
    this.#deliveries++;
    try {
      await this.#make(now);
      return await this.#deliver(letter, again);
    } finally {
      this.#deliveries--;
    }
  }

  /** Being delivered to now: must not be forgotten, because its record has one writer. */
  get busy(): boolean {
    return this.#deliveries > 0;
  }

  close(): Promise<void> {
    return this.#recent.close();
  }

  async #deliver(letter: Letter, again: boolean): Promise<Dropped> {
    const sized = await measure(letter);
    const name = `${letter.base},S=${sized.unixSize},W=${sized.wireSize}`;
    const tmp = `${this.#at}/tmp/${name}`;
    if (again) {
      const earlier = await this.#earlier(letter.base, tmp);
      if (earlier === "there" || earlier === "taken") {
        await this.#newGate.pass();
        return { file: name, again: true };
      }
      if (earlier === "ready") return this.#show(tmp, name, await this.#recent.add(letter.base));
    }
    await this.#write(tmp, letter, sized);
    return this.#show(tmp, name, await this.#recent.add(letter.base));
  }

  /** L2: the table in docs/local.md. */
  async #earlier(base: string, tmp: string): Promise<"there" | "ready" | "taken" | "none"> {
    for (const place of ["new", "cur"]) {
      const names = await this.#disk.list(`${this.#at}/${place}`);
      if (names.some((name) => name.startsWith(base) && /^[,:]|^$/.test(name.slice(base.length))))
        return "there";
    }
    if (!(await this.#recent.has(base))) return "none";
    return (await this.#disk.stat(tmp)) ? "ready" : "taken";
  }

  /** L3 and L4. */
  async #write(tmp: string, letter: Letter, sized: Sized): Promise<void> {
    const file = await createAnew(this.#disk, tmp, 0o600);
    try {
      await writeLetter(file, letter, sized);
      await Promise.all([file.sync(), this.#tmpGate.pass()]);
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
  async #show(tmp: string, name: string, syncRecent: () => Promise<void>): Promise<Dropped> {
    let renamed = false;
    try {
      await this.#disk.rename(tmp, `${this.#at}/new/${name}`);
      renamed = true;
    } finally {
      await Promise.all([renamed ? this.#newGate.pass() : undefined, syncRecent()]);
    }
    return { file: name, again: false };
  }

  #make(now: number): Promise<void> {
    this.#made ??= this.#makeDirectories(now).catch((trouble: unknown) => {
      this.#made = undefined;
      throw trouble;
    });
    return this.#made;
  }

  async #makeDirectories(now: number): Promise<void> {
    for (const place of ["tmp", "new", "cur"]) await this.#disk.makeDirectory(`${this.#at}/${place}`, 0o700);
    for (const name of await this.#disk.list(`${this.#at}/tmp`)) {
      const found = await this.#disk.stat(`${this.#at}/tmp/${name}`);
      if (found && now - found.mtimeMs > STALE) await this.#disk.remove(`${this.#at}/tmp/${name}`);
    }
  }
}

interface Sized {
  /** Bytes in the file. */
  readonly unixSize: number;
  /** Bytes with CRLF line ends, as a reader serves them. */
  readonly wireSize: number;
  /** The whole file, when it is small. */
  readonly whole: Buffer | undefined;
}

/** The sizes that the name tells; a large body is read once for it. */
async function measure({ head, body }: Letter): Promise<Sized> {
  const headLines = head.toString("latin1").split("\n").length - 1;
  const wireHead = head.length + headLines;
  if (body.whole) {
    const unix = toUnix(body.whole);
    const whole = Buffer.concat([head, unix]);
    return { unixSize: whole.length, wireSize: wireHead + body.size, whole };
  }
  let unixSize = head.length;
  const codec = new ToUnix();
  for await (const chunk of body.chunks()) unixSize += codec.feed(chunk).length;
  return { unixSize: unixSize + codec.end().length, wireSize: wireHead + body.size, whole: undefined };
}

async function writeLetter(file: DiskFile, { head, body }: Letter, { whole }: Sized): Promise<void> {
  if (whole) return file.write([whole], 0);
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
