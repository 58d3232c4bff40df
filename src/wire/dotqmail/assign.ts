// Which system user an address belongs to: qmail's users/assign, users/cdb, and the rules of qmail-getpw (qmail-users(5)).

import { err, ok, type Result } from "#base/result.ts";
import { CdbWriter, findInBytes } from "#wire/cdb.ts";
import { lowerAscii } from "./search.ts";

/** Whose address it is, and where his instructions are. */
export interface SystemUser {
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly dash: string;
  readonly extension: string;
}

/** The texts of qmail-newu and qmail-lspawn. */
export const BAD_ASSIGN = "bad format in users/assign";
const NO_UIDS = "it names a user without a number";

const FIELDS = 6;

/** users/assign as the bytes of users/cdb, as qmail-newu makes it. */
export function compileAssign(text: Buffer): Result<Buffer> {
  const writer = new CdbWriter();
  const lastOnes: number[] = [];
  // one character for each byte
  const lines = text.toString("latin1").split("\n");
  // what stands behind the last line end is no line, but a final dot needs none
  const unfinished = lines.pop() ?? "";
  if (unfinished.startsWith(".")) lines.push(unfinished);
  for (const line of lines) {
    if (line.startsWith(".")) {
      writer.add(Buffer.alloc(0), Buffer.from(lastOnes));
      return ok(writer.finish());
    }
    const record = recordOf(line);
    if (!record) return err(BAD_ASSIGN);
    const last = record.last;
    if (last !== undefined && !lastOnes.includes(last)) lastOnes.push(last);
    writer.add(record.key, record.data);
  }
  return err(BAD_ASSIGN);
}

interface AssignRecord {
  readonly key: Buffer;
  readonly data: Buffer;
  /** The last character of a prefix. */
  readonly last: number | undefined;
}

/** `=local:user:uid:gid:home:dash:ext:` or `+prefix:…`; what follows is left out. */
function recordOf(line: string): AssignRecord | undefined {
  const colon = line.indexOf(":");
  if (colon < 1 || line.includes("\0")) return undefined;
  const fields = line.slice(colon + 1).split(":");
  if (fields.length <= FIELDS) return undefined;
  const wild = line.startsWith("+");
  const name = line.slice(1, colon);
  const key = Buffer.from(`!${lowerAscii(name)}${wild ? "" : "\0"}`, "latin1");
  const data = Buffer.from(fields.slice(0, FIELDS).join("\0"), "latin1");
  return { key, data, last: wild && name !== "" ? name.charCodeAt(name.length - 1) : undefined };
}

export type Assigned =
  | { readonly kind: "user"; readonly user: SystemUser }
  | { readonly kind: "none" }
  | { readonly kind: "damaged"; readonly why: string };

const NONE: Assigned = { kind: "none" };

/** Looks a local part up in users/cdb: the exact name, else the longest prefix. */
export function findAssigned(cdb: Buffer, local: string): Assigned {
  const wanted = Buffer.from(`!${lowerAscii(local)}`);
  const original = Buffer.from(local);
  const wild = findInBytes(cdb, Buffer.alloc(0));
  if (wild.kind !== "found") return { kind: "damaged", why: wild.kind === "none" ? "no prefixes" : wild.why };
  const exact = findInBytes(cdb, Buffer.concat([wanted, Buffer.alloc(1)]));
  if (exact.kind === "damaged") return exact;
  if (exact.kind === "found") return userOf(exact.data, "");
  for (let length = wanted.length; length > 0; length--) {
    // only prefixes that end like one of those there are, and the empty one
    if (length > 1 && !wild.data.includes(wanted[length - 1] ?? 0)) continue;
    const found = findInBytes(cdb, wanted.subarray(0, length));
    if (found.kind === "damaged") return found;
    if (found.kind === "found") return userOf(found.data, original.subarray(length - 1).toString());
  }
  return NONE;
}

/** `rest`: what a prefix left over, in the case in which it was written. */
function userOf(data: Buffer, rest: string): Assigned {
  const [user = "", uid = "", gid = "", home = "", dash = "", pre = ""] = data.toString().split("\0");
  const [uidNumber, gidNumber] = [numberOf(uid), numberOf(gid)];
  if (uidNumber === undefined || gidNumber === undefined) return { kind: "damaged", why: NO_UIDS };
  return {
    kind: "user",
    user: { user, uid: uidNumber, gid: gidNumber, home, dash, extension: `${pre}${rest}` },
  };
}

const numberOf = (digits: string): number | undefined => {
  const value = /^\d{1,10}$/.test(digits) ? Number(digits) : Number.NaN;
  return value <= 0xffff_fffe ? value : undefined;
};

/** A line of /etc/passwd. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** /etc/passwd by names; of two lines with one name the first counts, as for getpwnam(3). */
export function parsePasswd(text: string): ReadonlyMap<string, Account> {
  const found = new Map<string, Account>();
  for (const line of text.split("\n")) {
    const [name = "", , uid = "", gid = "", , home = ""] = line.split(":");
    const [uidNumber, gidNumber] = [numberOf(uid), numberOf(gid)];
    // NIS's "+" lines and comments are no users
    if (name === "" || /^[+#-]/.test(name) || uidNumber === undefined || gidNumber === undefined) continue;
    if (!found.has(name)) found.set(name, { name, uid: uidNumber, gid: gidNumber, home });
  }
  return found;
}

/** Names of users are shorter than this. */
const LONGEST_NAME = 32;

/**
 * qmail-getpw: the whole local part, then what stands before each hyphen, longest first. `owns`: whether the home is there and belongs to
 * him; it rejects when that cannot be known now. "none": neither he nor `alias` is there.
 */
export async function findInPasswd(
  accounts: ReadonlyMap<string, Account>,
  local: string,
  alias: string,
  owns: (account: Account) => Promise<boolean>,
): Promise<SystemUser | undefined> {
  for (let end = local.length; end > 0; end--) {
    if (end < local.length && local[end] !== "-") continue;
    if (end >= LONGEST_NAME) continue;
    const account = accounts.get(lowerAscii(local.slice(0, end)));
    if (!account || account.uid === 0 || !(await owns(account))) continue;
    const whole = end === local.length;
    return userAs(account, whole ? "" : "-", whole ? "" : local.slice(end + 1));
  }
  const account = accounts.get(alias);
  return account && userAs(account, "-", local);
}

const userAs = ({ name, uid, gid, home }: Account, dash: string, extension: string): SystemUser => ({
  user: name,
  uid,
  gid,
  home,
  dash,
  extension,
});
