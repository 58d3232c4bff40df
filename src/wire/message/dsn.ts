// Delivery status notifications: bounces and delay warnings as multipart/report (RFC 3464, RFC 6522).

import { formatDate } from "./rfcdate.ts";

export interface ReportedRecipient {
  readonly address: string;
  /** Enhanced status (RFC 3463). */
  readonly code: string;
  readonly text: string;
}

export interface Report {
  /** "double": the bounce of a bounce, for the postmaster. */
  readonly kind: "failed" | "double" | "delayed";
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
  readonly recipients: readonly ReportedRecipient[];
  /** What it reports on: all of it, or its header section. */
  readonly original: { readonly bytes: Buffer; readonly whole: boolean } | undefined;
}

/** Recipients named in one report; the others are counted. With REASON and limits.queue.bounceCopy this keeps a report within an inline
 * body; the test compares them. */
const NAMED = 50;
/** Characters of one recipient's reason. */
const REASON = 400;

const subjects = {
  failed: "Your message could not be delivered",
  double: "A bounce could not be delivered",
  delayed: "Your message is delayed",
} as const;

/** The report as message bytes, CRLF throughout (as far as the original has it). */
export function formatReport(report: Report): Buffer {
  const original = report.original?.bytes ?? Buffer.alloc(0);
  const boundary = freeBoundary(report.id, original);
  const eightBit = original.some((byte) => byte >= 0x80);
  const head = [
    `Date: ${formatDate(report.date)}`,
    `From: Mail Delivery System <MAILER-DAEMON@${report.hostname}>`,
    `To: <${plain(report.to)}>`,
    `Subject: ${subjects[report.kind]}`,
    `Message-ID: <${report.id}@${report.hostname}>`,
    // RFC 3834 §5: so that no responder answers
    "Auto-Submitted: auto-replied",
    "MIME-Version: 1.0",
    `Content-Type: multipart/report; report-type=delivery-status;`,
    ` boundary="${boundary}"`,
    ...(eightBit ? ["Content-Transfer-Encoding: 8bit"] : []),
    "",
    `--${boundary}`,
    "Content-Type: text/plain; charset=us-ascii",
    "",
    ...humanText(report),
    `--${boundary}`,
    "Content-Type: message/delivery-status",
    "",
    ...statusFields(report),
  ];
  if (!report.original) return Buffer.from([...head, `--${boundary}--`, ""].join("\r\n"));
  const part = [
    `--${boundary}`,
    `Content-Type: ${report.original.whole ? "message/rfc822" : "text/rfc822-headers"}`,
    ...(eightBit ? ["Content-Transfer-Encoding: 8bit"] : []),
    "",
    "",
  ];
  return Buffer.concat([
    Buffer.from([...head, ...part].join("\r\n")),
    original,
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
}

function humanText(report: Report): readonly string[] {
  const named = report.recipients.slice(0, NAMED);
  const more = report.recipients.length - named.length;
  return [
    `This is the mail server at ${report.hostname}.`,
    "",
    ...opening(report),
    "",
    ...named.flatMap((each) => [`<${plain(each.address)}>:`, ...wrap(reason(each), "    "), ""]),
    ...(more > 0 ? [`and ${more} more.`, ""] : []),
    ...(report.original
      ? [report.original.whole ? "The message is attached." : "The header of the message is attached.", ""]
      : []),
  ];
}

function opening({ kind, until }: Report): readonly string[] {
  switch (kind) {
    case "failed":
      return [
        "Your message could not be delivered to the addresses below. This is final:",
        "it will not be tried again.",
      ];
    case "double":
      return [
        "A report about undeliverable mail could not be delivered to the address",
        "below. Its sender may be forged, or may have gone.",
      ];
    case "delayed":
      return [
        "Your message could not be delivered to the addresses below yet. You need not",
        `send it again: it is tried until ${formatDate(until)}.`,
      ];
  }
}

/** RFC 3464 §2: one group for the message, one for each recipient. */
function statusFields(report: Report): readonly string[] {
  const action = report.kind === "delayed" ? "delayed" : "failed";
  return [
    `Reporting-MTA: dns; ${report.hostname}`,
    `Arrival-Date: ${formatDate(report.arrived)}`,
    "",
    ...report.recipients
      .slice(0, NAMED)
      .flatMap((each) => [
        `Final-Recipient: rfc822; ${plain(each.address)}`,
        `Action: ${action}`,
        `Status: ${statusOf(each.code, report.kind)}`,
        ...diagnostic(each),
        ...(report.kind === "delayed" ? [`Will-Retry-Until: ${formatDate(report.until)}`] : []),
        "",
      ]),
  ];
}

/** RFC 3464 §2.3.4 wants a code here whatever the other side said. */
function statusOf(code: string, kind: Report["kind"]): string {
  if (/^[245]\.\d{1,3}\.\d{1,3}$/.test(code)) return code;
  return kind === "delayed" ? "4.0.0" : "5.0.0";
}

function diagnostic(each: ReportedRecipient): readonly string[] {
  const text = reason(each);
  if (text === "") return [];
  // RFC 3464 §2.3.6: "smtp" only for what a server said
  const [first = "", ...rest] = wrap(text, " ");
  return [`Diagnostic-Code: ${/^[245]\d\d\b/.test(text) ? "smtp" : "x-kenro"};${first}`, ...rest];
}

function reason(each: ReportedRecipient): string {
  return plain(each.text).slice(0, REASON).trim();
}

/** Printable ASCII only: these texts come from anywhere and go into header fields. */
function plain(text: string): string {
  return text.replace(/[\r\n\t]+/g, " ").replace(/[^ -~]/g, "?");
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
