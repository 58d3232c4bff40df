// Bounces and delay warnings: which one a message gets, and its text (docs/queue.md E3). As qmail: single, double, then nothing.

import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import { openBody } from "#store/spool/source.ts";
import type { Head, Kept } from "#store/spool/state.ts";
import type { Disk } from "#sys/disk.ts";
import { formatReport, headerSection, type Report } from "#wire/message/dsn.ts";
import { DOUBLE } from "./dispatch.ts";
import type { Entry } from "./entries.ts";

export interface Notice {
  readonly kind: Report["kind"];
  readonly to: string;
  /** Of the notice itself. */
  readonly sender: string;
}

/** Who is told that a message failed: its sender, the postmaster when it was a bounce, nobody when it was that too. */
export function failureNotice(sender: string, hostname: string): Notice | undefined {
  if (sender === DOUBLE) return undefined;
  if (sender === "") return { kind: "double", to: `postmaster@${hostname}`, sender: DOUBLE };
  return { kind: "failed", to: sender, sender: "" };
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
  const wanted = notice.kind === "delayed" ? "waiting" : "failed";
  const bytes = formatReport({
    kind: notice.kind,
    hostname,
    to: notice.to,
    id,
    date: now,
    arrived: entry.arrived,
    until,
    recipients: entry.recipients.filter(({ state }) => state === wanted),
    original: await original(entry.kept, options),
  });
  const reference = notice.kind === "delayed" ? { warns: entry.id } : { ends: entry.id };
  return {
    head: {
      id,
      arrived: now,
      envelope: {
        sender: notice.sender,
        recipients: [{ address: notice.to }],
        // the original may be 8-bit; what is not is 8bitmime all the same
        body: "8bitmime",
        submitted: false,
      },
      size: bytes.length,
      file: false,
      ...reference,
    },
    body: [bytes],
  };
}

async function original(kept: Kept, { disk, spool, trouble }: NoticeOptions): Promise<Report["original"]> {
  const most = limits.queue.bounceCopy;
  try {
    const source = await openBody(disk, spool, kept.place);
    try {
      const parts: Buffer[] = [];
      let length = 0;
      for await (const chunk of source.chunks()) {
        parts.push(chunk);
        length += chunk.length;
        if (length > most) break;
      }
      const start = Buffer.concat(parts);
      if (source.size <= most) return { bytes: start, whole: true };
      return { bytes: headerSection(start, limits.queue.bounceHeader), whole: false };
    } finally {
      await source.close();
    }
  } catch (thrown) {
    // better a bounce without the original than none
    trouble(`Cannot read what bounces: ${messageOf(thrown)}`);
    return undefined;
  }
}
