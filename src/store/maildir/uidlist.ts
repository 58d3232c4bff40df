// UIDs of a folder in Dovecot's file `dovecot-uidlist`, version 3, so that a site moves in and out without clients fetching again:
//   3 V<uidvalidity> N<next uid> G<32 hex digits>
//   <uid> [W<wire size> …] :<file name, flags do not matter>
// It is replaced as a whole: written beside, synced, renamed, directory synced.

import { randomBytes } from "node:crypto";
import { type Disk, readWhole, replaceSynced } from "#sys/disk.ts";
import { parseName } from "./names.ts";

export const UIDLIST = "dovecot-uidlist";

export interface UidList {
  readonly validity: number;
  next: number;
  readonly guid: string;
  /** By base name. */
  readonly uids: Map<string, number>;
}

const MAX_UID = 0xffff_ffff;

/** A list for a folder that has none. `now` in ms since 1970 makes the UIDVALIDITY. */
export function newUidList(now: number): UidList {
  return {
    validity: Math.floor(now / 1000),
    next: 1,
    guid: randomBytes(16).toString("hex"),
    uids: new Map(),
  };
}

/** The list in the text of the file, or undefined when it cannot be used. Lines that cannot be read are left out. */
export function parseUidList(text: string): UidList | undefined {
  const [head = "", ...lines] = text.split("\n");
  const fields = head.split(" ");
  if (fields[0] !== "3") return undefined;
  const value = (letter: string) => fields.find((field) => field.startsWith(letter))?.slice(1) ?? "";
  const validity = Number(value("V"));
  const uids = new Map<string, number>();
  let last = 0;
  for (const line of lines) {
    const entry = /^(\d{1,10}) (?:[^:]* )?:(.+)$/.exec(line);
    const uid = Number(entry?.[1]);
    // UIDs ascend in the file; one that does not is damage
    if (!entry?.[2] || !(uid > last) || uid > MAX_UID) continue;
    last = uid;
    uids.set(parseName(entry[2]).base, uid);
  }
  if (!Number.isInteger(validity) || validity < 1 || validity > MAX_UID) return undefined;
  const next = Math.max(last + 1, Number(value("N")) || 1);
  const guid = /^[0-9a-f]{32}$/.test(value("G")) ? value("G") : randomBytes(16).toString("hex");
  return { validity, next, guid, uids };
}

export function formatUidList(list: UidList): string {
  const lines = [...list.uids].sort(([, a], [, b]) => a - b).map(([base, uid]) => `${uid} :${base}\n`);
  return `3 V${list.validity} N${list.next} G${list.guid}\n${lines.join("")}`;
}

/** A list of the longest folder there may be: some 10 million messages. */
const LONGEST = 1 << 30;

export async function loadUidList(disk: Disk, folder: string): Promise<UidList | undefined> {
  const bytes = await readWhole(disk, `${folder}/${UIDLIST}`, LONGEST);
  return bytes && parseUidList(bytes.toString("latin1"));
}

/** Survives a crash when it resolves. */
export function saveUidList(disk: Disk, folder: string, list: UidList): Promise<void> {
  return replaceSynced(disk, `${folder}/${UIDLIST}`, Buffer.from(formatUidList(list), "latin1"));
}
