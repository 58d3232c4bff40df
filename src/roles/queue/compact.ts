// Compact: copies the live messages of the oldest segment forward, so that it can be used again (docs/queue.md C3).

import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import type { Journal } from "#store/spool/journal.ts";
import { readRecord } from "#store/spool/source.ts";
import type { Kept, Progress } from "#store/spool/state.ts";
import type { Disk } from "#sys/disk.ts";
import { type Entries, type Entry, headOf, storedProgress } from "./entries.ts";

export interface CompactOptions {
  readonly disk: Disk;
  /** The spool directory. */
  readonly spool: string;
  readonly journal: Journal;
  readonly entries: Entries;
  readonly trouble: (message: string) => void;
}

/** Messages copied together: they share a batch. */
const TOGETHER = 32;

/** Copies whatever nobody reads now; what is left comes with the next segment. Never rejects. */
export async function compact(segment: number, options: CompactOptions): Promise<void> {
  const live = options.entries.inSegment(segment);
  for (let at = 0; at < live.length; at += TOGETHER) {
    await Promise.all(live.slice(at, at + TOGETHER).map((id) => move(id, segment, options)));
  }
}

async function move(id: string, segment: number, options: CompactOptions): Promise<void> {
  const { entries } = options;
  const entry = entries.wake(id);
  // gone, or in use, since this began
  if (!entry || entry.readers > 0 || entry.tasks.length === 0 || entry.kept.segment !== segment) return;
  entry.moving = true;
  try {
    await copy(entry, options);
  } catch (thrown) {
    options.trouble(`Cannot copy ${entry.id}: ${messageOf(thrown)}`);
  } finally {
    entry.moving = false;
    entries.rest(entry);
  }
}

async function copy(entry: Entry, { disk, spool, journal }: CompactOptions): Promise<void> {
  const { place } = entry.kept;
  const old = entry.kept;
  const body: Buffer[] = [];
  if (place.kind === "inline") {
    const record = await readRecord(disk, spool, place);
    body.push(record.subarray(place.body, place.body + place.size));
  }
  // false need not be said: where an older record says true, the one that says false is not older (Q6)
  const held = entry.held || undefined;
  const copied: Promise<Kept> = journal.insist(headOf(entry), body, "soon");
  const told = progress(entry).map(
    (recipients) =>
      new Promise<void>((resolve) =>
        journal.progress({ id: entry.id, warned: entry.warned, held, recipients }, "soon", resolve),
      ),
  );
  await Promise.all(told);
  entry.kept = await copied;
  journal.release(old);
}

/** What has been tried, in pieces that fit into a record. */
function progress(entry: Entry): readonly (readonly Progress[])[] {
  const tried = storedProgress(entry);
  const pieces: (readonly Progress[])[] = [];
  for (let at = 0; at < tried.length; at += limits.queue.deliveryRecipients) {
    pieces.push(tried.slice(at, at + limits.queue.deliveryRecipients));
  }
  return pieces.length > 0 || !(entry.warned || entry.held) ? pieces : [[]];
}
