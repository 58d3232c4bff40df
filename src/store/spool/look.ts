// Look: reads a spool that nobody works on, for people, and changes nothing in it. A queue that starts meanwhile is noticed: it always
// begins a segment of its own before it writes a record (docs/queue.md R5), so the segments are compared before and after.

import path from "node:path";
import { Trouble } from "#base/problem.ts";
import type { DiskFile } from "#sys/disk.ts";
import { FIRST, type Life, parseHeader, segmentName, segmentNumber } from "./record.ts";
import type { SpoolLocation } from "./recovery.ts";
import { Replay, type ReplayedSegment } from "./replay.ts";
import { scanSegment, scanWindow } from "./scan.ts";
import type { Stored } from "./state.ts";

export interface Seen {
  /** Oldest first. */
  readonly messages: readonly Stored[];
  /** Parts that cannot be read; the next start of the queue sets them aside. */
  readonly damaged: number;
}

/** Looks this often before it says that somebody works there. */
const LOOKS = 3;

/** The messages of a spool; none when there is no spool. Trouble "changed" when a queue works on it, else when the disk cannot be read. */
export async function lookAtSpool(spool: SpoolLocation): Promise<Seen> {
  for (let looks = 0; looks < LOOKS; looks++) {
    const segments = await segmentsOf(spool);
    const seen = await readAll(spool, segments);
    const after = await segmentsOf(spool);
    if (seen && sameLives(segments, after)) return seen;
  }
  throw new Trouble("look at spool", "Cannot read the spool: a queue works on it; ask it instead", {
    code: "changed",
  });
}

/** In the order of their generations; files without a valid header hold nothing that counts (R3). */
async function segmentsOf(spool: SpoolLocation): Promise<readonly ReplayedSegment[]> {
  const segments: ReplayedSegment[] = [];
  for (const name of await spool.disk.list(path.join(spool.directory, "journal"))) {
    const number = segmentNumber(name);
    if (number === undefined) continue;
    const life = await withFile(spool, number, lifeOf);
    if (life) segments.push({ number, life });
  }
  return segments.sort((a, b) => a.life.generation - b.life.generation);
}

async function lifeOf(file: DiskFile): Promise<Life | undefined> {
  const bytes = Buffer.alloc(FIRST);
  await file.read(bytes, 0, FIRST, 0);
  return parseHeader(bytes);
}

/** Undefined: a segment has gone meanwhile. */
async function readAll(
  spool: SpoolLocation,
  segments: readonly ReplayedSegment[],
): Promise<Seen | undefined> {
  const replay = new Replay();
  const window = scanWindow();
  let damaged = 0;
  for (const segment of segments) {
    const read = await withFile(spool, segment.number, async (file) => {
      const record = (bytes: Buffer, at: number) => {
        if (!replay.take(segment, bytes, at)) damaged++;
      };
      await scanSegment(file, segment.life, { record, damage: () => damaged++ }, window);
      return true;
    });
    if (!read) return undefined;
  }
  replay.messages.sort();
  const messages = [...replay.messages.values()];
  return { messages, damaged };
}

/** Undefined when the file is not there. */
async function withFile<T>(
  { disk, directory }: SpoolLocation,
  number: number,
  use: (file: DiskFile) => Promise<T>,
): Promise<T | undefined> {
  const at = path.join(directory, "journal", segmentName(number));
  // whoever may write there might have put a pipe, whose opening never ends
  if (!(await disk.stat(at))?.regular) return undefined;
  const file = await disk.openRead(at);
  if (!file) return undefined;
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

function sameLives(before: readonly ReplayedSegment[], after: readonly ReplayedSegment[]): boolean {
  return (
    before.length === after.length &&
    before.every(({ number, life }, index) => {
      const other = after[index];
      return other?.number === number && other.life.nonce.equals(life.nonce);
    })
  );
}
