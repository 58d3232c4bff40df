// UIDs of a folder in Dovecot's file `dovecot-uidlist`, version 3, so that a site moves in and out without clients fetching again:
//   3 V<uidvalidity> N<next uid> G<32 hex digits>
//   <uid> [<letter><value> …] :<file name, flags do not matter>
// New messages are appended (one write, one sync); the file is replaced as a whole when half of it is about messages that are gone.

import { randomBytes } from "node:crypto";
import { type Disk, readWhole, replaceSynced } from "#sys/disk.ts";
import { parseName } from "./names.ts";

export const UIDLIST = "dovecot-uidlist";

export interface UidEntry {
  readonly uid: number;
  /** What else the line says, as Dovecot writes it: "W123 P<pop3 uidl>". */
  readonly extra: string;
}

export interface UidList {
  readonly validity: number;
  next: number;
  readonly guid: string;
  /** By base name. */
  readonly entries: Map<string, UidEntry>;
}

const MAX_UID = 0xffff_ffff;

/** A list for a folder that has none. */
export function newUidList(validity: number): UidList {
  return { validity, next: 1, guid: randomBytes(16).toString("hex"), entries: new Map() };
}

/** The list in the text of the file, or undefined when it cannot be used. Lines that cannot be read are left out. */
export function parseUidList(text: string): UidList | undefined {
  const [head = "", ...lines] = text.split("\n");
  // what stands behind the last line end is a write that a crash cut off; nobody was told of it
  lines.pop();
  const fields = head.split(" ");
  const value = (letter: string) => fields.find((field) => field.startsWith(letter))?.slice(1) ?? "";
  const validity = Number(value("V"));
  if (fields[0] !== "3" || !Number.isInteger(validity) || validity < 1 || validity > MAX_UID)
    return undefined;
  const entries = new Map<string, UidEntry>();
  let last = 0;
  for (const line of lines) {
    const parts = /^(\d{1,10}) (?:([^:]*) )?:(.+)$/.exec(line);
    const uid = Number(parts?.[1]);
    // UIDs ascend in the file; one that does not is damage
    if (!parts?.[3] || !(uid > last) || uid > MAX_UID) continue;
    last = uid;
    entries.set(parseName(parts[3]).base, { uid, extra: parts[2] ?? "" });
  }
  const next = Number(value("N"));
  const guid = value("G");
  return {
    validity,
    next: Math.max(last + 1, next >= 1 && next <= MAX_UID ? next : 1),
    guid: /^[0-9a-f]{32}$/.test(guid) ? guid : randomBytes(16).toString("hex"),
    entries,
  };
}

const formatEntry = (base: string, { uid, extra }: UidEntry): string =>
  `${uid} ${extra === "" ? "" : `${extra} `}:${base}\n`;

export function formatUidList(list: UidList): string {
  const entries = [...list.entries].sort(([, a], [, b]) => a.uid - b.uid);
  const lines = entries.map(([base, entry]) => formatEntry(base, entry));
  return `3 V${list.validity} N${list.next} G${list.guid}\n${lines.join("")}`;
}

/** A list of the longest folder there may be: some 10 million messages. */
const LONGEST = 1 << 30;

/** So few lines about nothing are never worth a rewrite. */
const FEW = 100;

interface Content {
  readonly list: UidList;
  /** Bytes of the file; -1: it must be written anew. */
  readonly size: number;
}

/** The file of one folder: what it says, and how that is kept durable. One caller at a time. */
export class UidFile {
  readonly #disk: Disk;
  readonly #path: string;
  readonly list: UidList;
  #size: number;
  /** Lines in the file about messages that are gone. */
  #stale = 0;

  private constructor(disk: Disk, path: string, { list, size }: Content) {
    this.#disk = disk;
    this.#path = path;
    this.list = list;
    this.#size = size;
  }

  /** The list of a folder; where there is none that can be read, a new one with this UIDVALIDITY, durable when it resolves. */
  static async open(disk: Disk, folder: string, makeValidity: () => Promise<number>): Promise<UidFile> {
    const path = `${folder}/${UIDLIST}`;
    const bytes = await readWhole(disk, path, LONGEST);
    const list = bytes && parseUidList(bytes.toString("utf8"));
    if (list) {
      const whole = bytes[bytes.length - 1] === 10;
      return new UidFile(disk, path, { list, size: whole ? bytes.length : -1 });
    }
    const file = new UidFile(disk, path, { list: newUidList(await makeValidity()), size: -1 });
    await file.#replace();
    return file;
  }

  /** Gives UIDs to messages; they survive a crash, and may be told, when it resolves. Trouble: they have none. */
  async add(bases: readonly string[]): Promise<void> {
    const { list } = this;
    const lines = bases.map((base) => {
      const entry = { uid: list.next++, extra: "" };
      list.entries.set(base, entry);
      return formatEntry(base, entry);
    });
    try {
      if (this.#size < 0 || this.#stale > Math.max(FEW, list.entries.size)) await this.#replace();
      else await this.#append(Buffer.from(lines.join("")));
    } catch (trouble) {
      // what the file holds now is unknown: these numbers are never used again
      this.#size = -1;
      for (const base of bases) list.entries.delete(base);
      throw trouble;
    }
  }

  /** The message is gone. Not written at once: a line about nothing does no harm. */
  remove(base: string): void {
    if (this.list.entries.delete(base)) this.#stale++;
  }

  async #append(lines: Buffer): Promise<void> {
    const file = await this.#disk.open(this.#path);
    try {
      // another program has written here; we know all that we have told
      if ((await file.size()) !== this.#size) return await this.#replace();
      await file.write([lines], this.#size);
      await file.sync();
      this.#size += lines.length;
    } finally {
      await file.close();
    }
  }

  async #replace(): Promise<void> {
    const bytes = Buffer.from(formatUidList(this.list));
    await replaceSynced(this.#disk, this.#path, bytes);
    this.#size = bytes.length;
    this.#stale = 0;
  }
}

const VALIDITY = "dovecot-uidvalidity";

/**
 * A UIDVALIDITY that no folder of this Maildir has had: a mailbox that is deleted and made again needs another one
 * (RFC 9051 §2.3.1.1). Kept as Dovecot does, eight hex digits in a file. `now` in ms since 1970.
 */
export async function newValidity(disk: Disk, maildir: string, now: number): Promise<number> {
  const text = (await readWhole(disk, `${maildir}/${VALIDITY}`, 100))?.toString("latin1") ?? "";
  const last = Number.parseInt(/^[0-9a-f]{8}/i.exec(text)?.[0] ?? "0", 16);
  const next = Math.min(MAX_UID, Math.max(Math.floor(now / 1000), last + 1, 1));
  await replaceSynced(disk, `${maildir}/${VALIDITY}`, Buffer.from(next.toString(16).padStart(8, "0")));
  return next;
}
