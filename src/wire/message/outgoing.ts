// A message as a program on this machine hands it in, made fit to be sent (RFC 6409 §8): fields that are missing are added, addresses
// without a domain completed, Bcc taken out.

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";
import { type Mailbox, parseAddress } from "../smtp/path.ts";
import { parseAddresses } from "./address.ts";
import { completeAddresses } from "./complete.ts";
import { type Field, parseFields } from "./header.ts";
import { formatDate } from "./rfcdate.ts";
import { cleanText } from "./unix.ts";

export interface Author {
  /** Completes addresses that have no domain. */
  readonly domain: string;
  /** `local@domain`: who is in From when nobody is. */
  readonly address: string;
  /** His name, "" when nobody gave one. */
  readonly name: string;
  /** ms since 1970 */
  readonly time: number;
  /** What stands before the "@" of a Message-ID. */
  readonly unique: string;
  /** What stands behind it. */
  readonly hostname: string;
}

export interface Outgoing {
  /** All of it, lines ended by CR LF. */
  readonly message: Buffer;
  /** Whom the header names, Bcc among them; `local@domain`. An error when an address there is none. */
  readonly recipients: Result<readonly string[]>;
  /** Bytes beyond ASCII. */
  readonly eightBit: boolean;
}

/** Fields with addresses; to be completed. */
const ADDRESSES =
  /^(?:resent-)?(?:from|sender|reply-to|to|cc|bcc)$|^(?:return-receipt|disposition-notification|errors)-to$/i;
/** Not to be sent (RFC 5322 §3.6.3), or written by whoever delivers. */
const REMOVED = /^(?:(?:resent-)?bcc|return-path|content-length)$/i;
const RESENT = /^resent-(?:from|sender|to|cc|bcc|date|message-id)$/i;

/** What may be the start of a header section; a line that is none ends it. */
const FIELD = /^[!-9;-~]+[ \t]*:/;

/** Makes a message fit. An error, in a sentence, when it must not be sent. */
export function prepareMessage(input: Buffer, author: Author): Result<Outgoing> {
  const text = linesOf(input);
  const length = headerLength(text);
  const header = Buffer.from(text.slice(0, length), "latin1");
  if (header.length > limits.smtp.headerBytes) return err("The header of the message is too long");
  const fields = parseFields(header);
  const received = fields.filter(({ name }) => name.toLowerCase() === "received").length;
  if (received > limits.smtp.hops) return err("The message has come round too often: it runs in a circle");
  const resent = fields.some(({ name }) => RESENT.test(name));
  const kept = fields.filter(({ name }) => !REMOVED.test(name));
  const lines = kept.map((field) => completed(field, text, author.domain));
  const added = missingFields(kept, resent, author);
  const rest = text.slice(length);
  const body = rest === "" || rest.startsWith("\r\n") ? rest || "\r\n" : `\r\n${rest}`;
  const message = Buffer.from([...added, ...lines, body].join(""), "latin1");
  return ok({
    message,
    recipients: recipientsOf(fields, resent, author.domain),
    eightBit: /[\x80-\xff]/.test(text),
  });
}

/** Every line end as CR LF. The first line of an mbox message is none of its fields. */
function linesOf(input: Buffer): string {
  const lines = cleanText(input)
    .replaceAll("\n", "\r\n")
    .replace(/^>?From [^\n]*\n/, "");
  return lines === "" || lines.endsWith("\r\n") ? lines : `${lines}\r\n`;
}

/** Where the header section ends: at an empty line, or at one that is no field. */
function headerLength(text: string): number {
  let at = 0;
  while (at < text.length) {
    const end = text.indexOf("\n", at) + 1;
    const line = text.slice(at, end);
    const goesOn = at > 0 && /^[ \t]/.test(line);
    if (!goesOn && !FIELD.test(line)) return at;
    at = end;
  }
  return at;
}

/** The field as it stands, or with what was missing in its addresses; what is no list of addresses stays. */
function completed({ name, start, end }: Field, text: string, domain: string): string {
  const line = text.slice(start, end);
  if (!ADDRESSES.test(name)) return line;
  const colon = line.indexOf(":") + 1;
  const value = completeAddresses(line.slice(colon), domain);
  return value.ok ? line.slice(0, colon) + value.value : line;
}

/** RFC 5322 §3.6: a message has Date and From, and should have Message-ID; one that is sent again has these as Resent- fields (§3.6.6). */
function missingFields(fields: readonly Field[], resent: boolean, author: Author): readonly string[] {
  const has = (name: string) => fields.some((field) => field.name.toLowerCase() === name);
  const { time, unique, hostname } = author;
  const standard = [
    ["Date", formatDate(time)],
    ["Message-ID", `<${unique}@${hostname}>`],
    ["From", fromOf(author)],
  ] as const;
  const again = resent ? standard.map(([field, value]) => [`Resent-${field}`, value] as const) : [];
  const missing = [...again, ...standard].filter(([field]) => !has(field.toLowerCase()));
  const named = ["to", "cc", "resent-to", "resent-cc"].some(has);
  return [
    ...missing.map(([field, value]) => `${field}: ${value}\r\n`),
    // nobody is named; older servers want somebody to be (RFC 822 §4.1)
    ...(named ? [] : ["To: undisclosed-recipients:;\r\n"]),
  ];
}

/** The author in a field. */
const fromOf = ({ address, name }: Author): string =>
  name === "" ? bytesOf(address) : `${bytesOf(displayName(name))} <${bytesOf(address)}>`;

/** UTF-8 as the bytes that it is, one a character. */
const bytesOf = (text: string): string => Buffer.from(text).toString("latin1");

/** A name before an address (RFC 5322 §3.2.5): as words, quoted, or encoded (RFC 2047 §2). */
function displayName(name: string): string {
  const line = name.replaceAll(/[\x00-\x1f\x7f]+/g, " ").slice(0, 200);
  if (/[^ -~]/.test(line)) {
    // an encoded word has at most 75 characters
    const words = line.match(/.{1,10}/gu) ?? [];
    return words.map((word) => `=?utf-8?B?${Buffer.from(word).toString("base64")}?=`).join("\r\n ");
  }
  return /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+$/.test(line) ? line : `"${line.replaceAll(/["\\]/g, "\\$&")}"`;
}

/** To, Cc and Bcc; of a message that is sent again only whom it is sent to this time (RFC 5322 §3.6.6). */
function recipientsOf(fields: readonly Field[], resent: boolean, domain: string): Result<readonly string[]> {
  const wanted = resent ? /^resent-(?:to|cc|bcc)$/i : /^(?:to|cc|bcc)$/i;
  const found: string[] = [];
  for (const { name, value } of fields) {
    if (!wanted.test(name)) continue;
    const addresses = readRecipients(Buffer.from(value, "latin1").toString("utf8"), domain);
    if (!addresses.ok) return err(`Cannot read ${name}: ${addresses.error}`);
    found.push(...addresses.value);
  }
  return ok(found);
}

/** The addresses of a list, completed; an error with one that is none. */
export function readRecipients(value: string, domain: string): Result<readonly string[]> {
  const whole = completeAddresses(value, domain);
  if (!whole.ok) return whole;
  const found: string[] = [];
  for (const { mailbox, host } of parseAddresses(whole.value)) {
    // the start or the end of a group
    if (host === undefined) continue;
    const address = readMailbox(mailbox ?? "", host);
    if (!address.ok) return address;
    found.push(address.value.address);
  }
  return ok(found);
}

function readMailbox(local: string, domain: string): Result<Mailbox> {
  const plain = parseAddress(`${local}@${domain}`, { utf8: true });
  if (plain.ok) return plain;
  // its quotes are gone, if it had any; one with "@" more often has one too many
  const quoted = parseAddress(`"${local.replaceAll(/["\\]/g, "\\$&")}"@${domain}`, { utf8: true });
  return quoted.ok && /^[^@]+$/.test(local) ? quoted : err(`"${local}@${domain}" is no address`);
}
