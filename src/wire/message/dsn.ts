// Delivery status notifications: bounces, delay warnings and receipts as multipart/report (RFC 3464, RFC 6522, RFC 6533).

import { beyondAscii } from "#wire/envelope.ts";
import { formatUtf8Address } from "#wire/smtp/xtext.ts";
import { formatDate } from "./rfcdate.ts";

/** RFC 3464 §2.3.3. */
export type ReportedAction = "failed" | "delayed" | "delivered" | "relayed" | "expanded";

export interface ReportedRecipient {
  readonly address: string;
  readonly action: ReportedAction;
  /** Enhanced status (RFC 3463). */
  readonly code: string;
  readonly text: string;
  /** ORCPT: `type;address`. */
  readonly original?: string | undefined;
}

export interface Report {
  /** "double": the bounce of a bounce, for the postmaster. */
  readonly kind: "failed" | "double" | "delayed" | "delivered";
  readonly hostname: string;
  /** Whom it is for. */
  readonly to: string;
  /** Of the report, unique; makes its Message-ID and boundary. */
  readonly id: string;
  /** ms since 1970: of the report, and of the arrival of what it reports on. */
  readonly date: number;
  readonly arrived: number;
  /** Delayed: until when it is tried, ms since 1970. */
  readonly until: number;
  /** ENVID of what it reports on. */
  readonly envid?: string | undefined;
  /** Whoever gets it takes letters beyond ASCII: he has sent with SMTPUTF8. */
  readonly utf8?: boolean;
  readonly recipients: readonly ReportedRecipient[];
  /** What it reports on: all of it, or its header section; `global`: with letters beyond ASCII in its header (RFC 6532). */
  readonly original:
    | { readonly bytes: Buffer; readonly whole: boolean; readonly global?: boolean }
    | undefined;
}

/** Recipients named in one report; the others are counted. With REASON and limits.queue.bounceCopy this keeps a report within an inline
 * body; the test compares them. */
const NAMED = 20;
/** Characters of one recipient's reason, and of an address: RFC 5321 §4.5.3.1.3 has 256 for a path. */
const REASON = 400;
const ADDRESS = 256;

const subjects = {
  failed: "Your message could not be delivered",
  double: "A bounce could not be delivered",
  delayed: "Your message is delayed",
  delivered: "Your message was delivered",
} as const;

/** The report as message bytes, CRLF throughout (as far as the original has it). Beyond ASCII are only addresses, and only where some are. */
export function formatReport(report: Report): Buffer {
  const original = report.original?.bytes ?? Buffer.alloc(0);
  const boundary = freeBoundary(report.id, original);
  const global = isGlobal(report);
  const clean: Clean = (text) => (global ? unicode : ascii)(text).slice(0, ADDRESS);
  const eightBit = (yes: boolean) => (yes ? ["Content-Transfer-Encoding: 8bit"] : []);
  const isEightBit = original.some((byte) => byte >= 0x80);
  const head = [
    `Date: ${formatDate(report.date)}`,
    `From: Mail Delivery System <MAILER-DAEMON@${report.hostname}>`,
    `To: <${clean(report.to)}>`,
    `Subject: ${subjects[report.kind]}`,
    `Message-ID: <${report.id}@${report.hostname}>`,
    // RFC 3834 §5: so that no responder answers
    "Auto-Submitted: auto-replied",
    "MIME-Version: 1.0",
    `Content-Type: multipart/report; report-type=${global ? "global-delivery-status" : "delivery-status"};`,
    ` boundary="${boundary}"`,
    ...eightBit(isEightBit || global),
    "",
    `--${boundary}`,
    `Content-Type: text/plain; charset=${global ? "utf-8" : "us-ascii"}`,
    ...eightBit(global),
    "",
    ...humanText(report, clean),
    `--${boundary}`,
    // RFC 6533 §5
    `Content-Type: message/${global ? "global-delivery-status" : "delivery-status"}`,
    ...eightBit(global),
    "",
    ...statusFields(report, clean),
  ];
  if (!report.original) return Buffer.from([...head, `--${boundary}--`, ""].join("\r\n"));
  const part = [`--${boundary}`, `Content-Type: ${typeOf(report.original)}`, ...eightBit(isEightBit), "", ""];
  return Buffer.concat([
    Buffer.from([...head, ...part].join("\r\n")),
    original,
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
}

/** RFC 6522 §3, RFC 6533 §6. */
function typeOf({ whole, global = false }: NonNullable<Report["original"]>): string {
  if (global) return whole ? "message/global" : "message/global-headers";
  return whole ? "message/rfc822" : "text/rfc822-headers";
}

const isGlobal = ({ to, recipients, utf8 }: Report): boolean =>
  utf8 === true &&
  [to, ...recipients.flatMap(({ address, original }) => [address, original ?? ""])].some(beyondAscii);

type Clean = (text: string) => string;

/** Printable ASCII only: these texts come from anywhere and go into header fields. */
const ascii: Clean = (text) => text.replace(/[\r\n\t]+/g, " ").replace(/[^ -~]/g, "?");
/** As above, and letters of all the world. */
const unicode: Clean = (text) => text.replace(/[\r\n\t]+/g, " ").replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");

function humanText(report: Report, clean: Clean): readonly string[] {
  const named = report.recipients.slice(0, NAMED);
  const more = report.recipients.length - named.length;
  return [
    `This is the mail server at ${report.hostname}.`,
    "",
    ...(["failed", "delayed", "delivered", "relayed", "expanded"] as const).flatMap((action) => {
      const those = named.filter((each) => each.action === action);
      const lines = those.flatMap((each) => [`<${clean(each.address)}>:`, ...wrap(reason(each), "    "), ""]);
      return those.length === 0 ? [] : [...opening(action, report), "", ...lines];
    }),
    ...(more > 0 ? [`and ${more} more.`, ""] : []),
    ...(report.original
      ? [report.original.whole ? "The message is attached." : "The header of the message is attached.", ""]
      : []),
  ];
}

function opening(action: ReportedAction, { kind, until }: Report): readonly string[] {
  if (kind === "double")
    return [
      "A report about undeliverable mail could not be delivered to the address",
      "below. Its sender may be forged, or may have gone.",
    ];
  switch (action) {
    case "failed":
      return [
        "Your message could not be delivered to the addresses below. This is final:",
        "it will not be tried again.",
      ];
    case "delayed":
      return [
        "Your message could not be delivered to the addresses below yet. You need not",
        `send it again: it is tried until ${formatDate(until)}.`,
      ];
    case "delivered":
      return ["Your message is in the mailboxes of the addresses below."];
    case "relayed":
      return [
        "Other mail servers have taken your message for the addresses below. You will",
        "hear no more of it, unless they cannot deliver it.",
      ];
    case "expanded":
      return [
        "Your message was taken for the addresses below, and goes on from there to",
        "several others. You will hear no more of it, unless one of them fails.",
      ];
  }
}

/** RFC 3464 §2: one group for the message, one for each recipient. */
function statusFields(report: Report, clean: Clean): readonly string[] {
  // RFC 6533 §3: in a report in ASCII the letters of an address are numbers
  const typed = (type: string, address: string) =>
    `${type}; ${clean(type === "utf-8" ? formatUtf8Address(unicode(address), isGlobal(report)) : address)}`;
  return [
    // RFC 3464 §2.2.1: as it was before it became xtext
    ...(report.envid === undefined ? [] : [`Original-Envelope-Id: ${ascii(report.envid).slice(0, ADDRESS)}`]),
    `Reporting-MTA: dns; ${report.hostname}`,
    `Arrival-Date: ${formatDate(report.arrived)}`,
    "",
    ...report.recipients.slice(0, NAMED).flatMap((each) => {
      const { original, address } = each;
      const [type = "", rest] = original?.split(/;(.*)/s) ?? [];
      return [
        ...(rest === undefined ? [] : [`Original-Recipient: ${typed(type, rest)}`]),
        `Final-Recipient: ${typed(beyondAscii(address) ? "utf-8" : "rfc822", address)}`,
        `Action: ${each.action}`,
        `Status: ${statusOf(each)}`,
        ...diagnostic(each),
        ...(each.action === "delayed" ? [`Will-Retry-Until: ${formatDate(report.until)}`] : []),
        "",
      ];
    }),
  ];
}

const status = {
  failed: "5.0.0",
  delayed: "4.0.0",
  delivered: "2.0.0",
  relayed: "2.0.0",
  expanded: "2.0.0",
} as const;

/** RFC 3464 §2.3.4 wants a code here whatever the other side said. */
const statusOf = ({ code, action }: ReportedRecipient): string =>
  /^[245]\.\d{1,3}\.\d{1,3}$/.test(code) ? code : status[action];

/** What the role remote writes of a server: its name, its address, and what it answered. */
const SERVER = /^(?:([\w.-]+) )?(\[[\w.:]+\]) (?:answered [\w ]+|took it): ([245]\d\d[ -].*)$/s;

function diagnostic(each: ReportedRecipient): readonly string[] {
  const text = reason(each);
  if (text === "") return [];
  const [, host, address, answer] = SERVER.exec(text) ?? [];
  const said = answer ?? text;
  // RFC 3464 §2.3.6: "smtp" only for what a server said
  const [first = "", ...rest] = wrap(said, " ");
  return [
    ...(address === undefined ? [] : [`Remote-MTA: dns; ${host ?? address}`]),
    `Diagnostic-Code: ${/^[245]\d\d\b/.test(said) ? "smtp" : "x-kenro"};${first}`,
    ...rest,
  ];
}

function reason(each: ReportedRecipient): string {
  return ascii(each.text).slice(0, REASON).trim();
}

const WIDTH = 72;

/** Lines of at most 72 characters behind an indent; long words are cut. */
function wrap(text: string, indent: string): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ").flatMap((each) => each.match(/.{1,72}/g) ?? [])) {
    if (line !== "" && line.length + 1 + word.length > WIDTH) {
      lines.push(indent + line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  if (line !== "") lines.push(indent + line);
  return lines;
}

/** A boundary that the original does not contain. */
function freeBoundary(id: string, original: Buffer): string {
  for (let n = 0; ; n++) {
    const boundary = `=_${id}_${n}`;
    if (!original.includes(boundary)) return boundary;
  }
}

/** The header section of a message: up to the empty line, at most `most` bytes, cut at the end of a line. */
export function headerSection(message: Buffer, most: number): Buffer {
  const end = message.indexOf("\r\n\r\n");
  if (end >= 0 && end + 2 <= most) return message.subarray(0, end + 2);
  const cut = message.subarray(0, most);
  const line = cut.lastIndexOf("\r\n");
  return cut.subarray(0, line < 0 ? cut.length : line + 2);
}
