// The header section of a message that is passing: its hops are counted, and what a submission lacks is added, what it must not
// show is cut (RFC 6409 §8). Everything else stays as it came, byte for byte.

import { isUtf8 } from "node:buffer";

const BLANK = Buffer.from("\r\n\r\n");

/** Where the header section with its blank line ends in a text that begins with it; −1: not there (searched from `from` on). */
export function headerEnd(text: Buffer, from: number): number {
  // RFC 5322 §3.5: a message may have no fields at all
  if (text[0] === 13 && text[1] === 10) return 2;
  const found = text.indexOf(BLANK, Math.max(0, from));
  return found < 0 ? -1 : found + BLANK.length;
}

export interface HeaderScan {
  readonly fields: number;
  /** Received and Delivered-To fields, as qmail counts them. */
  readonly hops: number;
  readonly hasDate: boolean;
  readonly hasMessageId: boolean;
  /** Values of the From fields, of many the first few. */
  readonly from: readonly string[];
  /** Ranges of the fields that only the sender may see: Bcc, Resent-Bcc. */
  readonly secret: readonly (readonly [start: number, end: number])[];
}

/** Goes through the fields of a header section (with or without its blank line). */
export function scanHeader(header: Buffer): HeaderScan {
  const text = header.toString("latin1");
  const seen = { fields: 0, hops: 0, hasDate: false, hasMessageId: false };
  const secret: [number, number][] = [];
  const from: string[] = [];
  for (let start = 0; start < text.length; ) {
    const end = fieldEnd(text, start);
    const name = fieldName(text, start, end);
    if (name !== "") seen.fields++;
    if (name === "bcc" || name === "resent-bcc") secret.push([start, end]);
    else if (name === "from") {
      if (from.length < FROMS) from.push(text.slice(text.indexOf(":", start) + 1, end).trim());
    } else count(seen, name);
    start = end;
  }
  return { ...seen, from, secret };
}

/** One is right; more are wrong, however many. */
const FROMS = 3;

/** What bytes beyond ASCII a header section has. */
export function eightBitOf(header: Buffer): "none" | "utf8" | "other" {
  if (!/[\x80-\xff]/.test(header.toString("latin1"))) return "none";
  return isUtf8(header) ? "utf8" : "other";
}

/** Name and value of each field, as Latin-1; the value begins behind the colon, and its folds are LF. Lines that are no field are left out. */
export function* rawFields(header: Buffer): Iterable<readonly [name: string, value: string]> {
  const text = header.toString("latin1");
  for (let start = 0; start < text.length; ) {
    const end = fieldEnd(text, start);
    NAME.lastIndex = start;
    const name = NAME.exec(text)?.[0];
    if (name !== undefined && start + name.length < end) {
      const value = text.slice(text.indexOf(":", start) + 1, end);
      yield [name, value.replaceAll("\r\n", "\n").replace(/\n$/, "")];
    }
    start = end;
  }
}

/** Where a field ends: behind its last continuation line (RFC 5322 §2.2.3). */
function fieldEnd(text: string, start: number): number {
  let end = start;
  do {
    const newline = text.indexOf("\n", end);
    if (newline < 0) return text.length;
    end = newline + 1;
  } while (text[end] === " " || text[end] === "\t");
  return end;
}

const NAME = /[!-9;-~]+(?=[ \t]*:)/y;
const KNOWN = new Set(["received", "delivered-to", "date", "message-id", "from", "bcc", "resent-bcc"]);

/** The name of a field in lower case when it is one we look for, "other" for the others, "" for a line that is no field. */
function fieldName(text: string, start: number, end: number): string {
  NAME.lastIndex = start;
  // RFC 5322 §4.5.1: old messages have blanks before the colon
  const name = NAME.exec(text)?.[0];
  if (name === undefined || start + name.length >= end) return "";
  const lower = name.length <= "delivered-to".length ? name.toLowerCase() : "";
  return KNOWN.has(lower) ? lower : "other";
}

function count(seen: { hops: number; hasDate: boolean; hasMessageId: boolean }, name: string): void {
  switch (name) {
    case "received":
    case "delivered-to":
      seen.hops++;
      break;
    case "date":
      seen.hasDate = true;
      break;
    case "message-id":
      seen.hasMessageId = true;
      break;
  }
}

/** A header section without its secret fields, in parts. */
export function withoutSecrets(header: Buffer, secret: HeaderScan["secret"]): readonly Buffer[] {
  const parts: Buffer[] = [];
  let at = 0;
  for (const [start, end] of secret) {
    parts.push(header.subarray(at, start));
    at = end;
  }
  parts.push(header.subarray(at));
  return parts;
}
