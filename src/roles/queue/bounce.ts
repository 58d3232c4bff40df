// Bounces, receipts and delay warnings: which one a message gets, and its text (docs/queue.md E3). As qmail: single, double, then nothing.

import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import { readStart } from "#store/spool/source.ts";
import type { Head } from "#store/spool/state.ts";
import type { Disk } from "#sys/disk.ts";
import { beyondAscii } from "#wire/envelope.ts";
import { examine, recode } from "#wire/message/binary.ts";
import {
  formatReport,
  headerSection,
  type Report,
  type ReportedAction,
  type ReportedRecipient,
} from "#wire/message/dsn.ts";
import { reportTo } from "#wire/verp.ts";
import { DOUBLE } from "./dispatch.ts";
import type { Entry, RecipientEntry } from "./entries.ts";
import { actionFor, isDelayWanted } from "./wishes.ts";

export interface Notice {
  readonly kind: Report["kind"];
  readonly to: string;
  /** Of the notice itself. */
  readonly sender: string;
  readonly recipients: readonly ReportedRecipient[];
}

/** The last a message's sender is to hear of it; of a bounce the postmaster is told, of that one nobody. undefined: nothing is to be said. */
export function finalNotice(entry: Entry, hostname: string): Notice | undefined {
  const { sender } = entry.envelope;
  const recipients = reported(entry, (each) => actionFor(each, entry.envelope));
  const failed = recipients.filter(({ action }) => action === "failed");
  if (recipients.length === 0 || sender === DOUBLE) return undefined;
  if (sender !== "")
    return { kind: failed.length > 0 ? "failed" : "delivered", to: reportTo(sender), sender: "", recipients };
  // RFC 3461 §5.2: nobody is told that a report arrived
  if (failed.length === 0) return undefined;
  return { kind: "double", to: `postmaster@${hostname}`, sender: DOUBLE, recipients: failed };
}

/** That a message waits still; undefined: nobody wants to know. `late`: the time that its sender had set (BY) is over. */
export function delayNotice(entry: Entry, late: boolean): Notice | undefined {
  const { envelope } = entry;
  const { sender } = envelope;
  const recipients = reported(entry, (each) => (isDelayWanted(each, envelope) ? "delayed" : undefined));
  if (sender === "" || sender === DOUBLE || recipients.length === 0) return undefined;
  return {
    kind: "delayed",
    to: reportTo(sender),
    sender: "",
    // RFC 2852 §4.1.4: that is what there is to say, whatever the last attempt brought
    recipients: late ? recipients.map((each) => ({ ...each, code: "4.4.7" })) : recipients,
  };
}

function reported(
  { recipients }: Entry,
  actionOf: (recipient: RecipientEntry) => ReportedAction | undefined,
): readonly ReportedRecipient[] {
  return recipients.flatMap((each) => {
    const action = actionOf(each);
    const { address, original, code, text } = each;
    return action ? [{ address, original, code, text, action }] : [];
  });
}

export interface NoticeOptions {
  readonly disk: Disk;
  readonly spool: string;
  readonly hostname: string;
  readonly id: string;
  readonly now: number;
  /** Until when a delayed message is tried. */
  readonly until: number;
  readonly trouble: (message: string) => void;
}

export interface Written {
  readonly head: Head;
  readonly body: readonly Buffer[];
}

/** The notice about `entry` as a message for the journal. What cannot be read of the original is left out. */
export async function writeNotice(entry: Entry, notice: Notice, options: NoticeOptions): Promise<Written> {
  const { hostname, id, now, until } = options;
  const { kind, to, sender, recipients } = notice;
  const { ret, envid, requireTls, utf8, priority } = entry.envelope;
  // RFC 3461 §4.3: the whole message goes back only when it failed; RFC 8689 §5: nothing of it where TLS was wanted
  const isWhole = kind !== "delayed" && kind !== "delivered" && ret !== "headers" && !requireTls;
  const original = await originalOf(entry, { ...options, isWhole, utf8: utf8 === true });
  const bytes = formatReport({
    kind,
    hostname,
    to,
    id,
    date: now,
    arrived: entry.arrived,
    until,
    envid,
    utf8: utf8 === true,
    recipients,
    original,
  });
  const reference = kind === "delayed" ? { warns: entry.id } : { ends: entry.id };
  return {
    head: {
      id,
      arrived: now,
      envelope: {
        sender,
        recipients: [{ address: to }],
        // the original may be 8-bit; what is not is 8bitmime all the same
        body: "8bitmime",
        submitted: false,
        ...(beyondAscii(to) ? { utf8: true } : {}),
        // RFC 8689 §5: what is told of the message is as worth protecting as it is itself
        ...(requireTls ? { requireTls } : {}),
        ...(priority === undefined ? {} : { priority }),
      },
      size: bytes.length,
      file: false,
      ...reference,
    },
    body: [bytes],
  };
}

interface OriginalOptions extends NoticeOptions {
  readonly isWhole: boolean;
  readonly utf8: boolean;
}

async function originalOf({ kept, envelope }: Entry, options: OriginalOptions): Promise<Report["original"]> {
  const { disk, spool, trouble, isWhole, utf8 } = options;
  const most = isWhole ? limits.queue.bounceCopy : limits.queue.bounceHeader;
  try {
    const start = await readStart(disk, spool, kept.place, most);
    const header = headerSection(start, limits.queue.bounceHeader);
    const global = utf8 && header.some((octet) => octet >= 0x80);
    if (isWhole && kept.place.size <= most) {
      // a report is text: RFC 2046 §5.2.1 lets no message be encoded as a whole, so its binary parts are
      const bytes = envelope.body === "binarymime" ? await withoutBinary(start) : start;
      if (bytes.length <= most) return { bytes, whole: true, global };
    }
    return { bytes: header, whole: false, global };
  } catch (thrown) {
    // better a bounce without the original than none
    trouble(`Cannot read what bounces: ${messageOf(thrown)}`);
    return undefined;
  }
}

async function withoutBinary(message: Buffer): Promise<Buffer> {
  const chunks = async function* () {
    yield message;
  };
  const parts: Buffer[] = [];
  for await (const part of recode(chunks(), await examine(chunks()), "8bit")) parts.push(part);
  return Buffer.concat(parts);
}
