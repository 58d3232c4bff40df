// Source: the bytes of a queued message, for those who deliver it. What is not exactly what the queue took is Trouble, never bytes.

import path from "node:path";
import { Trouble } from "#base/problem.ts";
import type { Disk, DiskFile } from "#sys/disk.ts";
import type { Place } from "./place.ts";
import { isRecord, seedOf, segmentName } from "./record.ts";

export interface BodySource {
  readonly size: number;
  /** All of it, when it lies in the journal (at most limits.queue.inlineBody); undefined: read `chunks`. */
  readonly whole: Buffer | undefined;
  /** From the start, each time it is called. Trouble when the file is shorter than it should be. */
  chunks(): AsyncIterable<Buffer>;
  close(): Promise<void>;
}

type FilePlace = Extract<Place, { kind: "file" }>;
type InlinePlace = Extract<Place, { kind: "inline" }>;

const CHUNK = 64 * 1024;

/** Opens the body at a place. Trouble when it is not there any more, or damaged: its record is read whole and its checksum verified first. */
export async function openBody(disk: Disk, spoolDirectory: string, place: Place): Promise<BodySource> {
  if (place.kind === "inline") {
    const record = await readRecord(disk, spoolDirectory, place);
    const whole = record.subarray(place.body, place.body + place.size);
    return {
      size: place.size,
      whole,
      chunks: async function* () {
        yield whole;
      },
      close: async () => {},
    };
  }
  const file = await disk.openRead(bodyPath(spoolDirectory, place.name));
  if (!file)
    throw new Trouble("open body", `Cannot open body "${place.name}": not there`, { code: "ENOENT" });
  return {
    size: place.size,
    whole: undefined,
    chunks: () => fileChunks(file, place),
    close: () => file.close(),
  };
}

/** The start of the body at a place: all of it, or `most` bytes and what came with them. Trouble as for openBody(). */
export async function readStart(
  disk: Disk,
  spoolDirectory: string,
  place: Place,
  most: number,
): Promise<Buffer> {
  const source = await openBody(disk, spoolDirectory, place);
  try {
    const parts: Buffer[] = [];
    let length = 0;
    for await (const chunk of source.chunks()) {
      parts.push(chunk);
      length += chunk.length;
      if (length > most) break;
    }
    return Buffer.concat(parts);
  } finally {
    await source.close();
  }
}

export function bodyPath(spoolDirectory: string, name: string): string {
  return path.join(spoolDirectory, "body", name);
}

/** The whole record at a place, verified. */
export async function readRecord(disk: Disk, spoolDirectory: string, place: InlinePlace): Promise<Buffer> {
  const at = path.join(spoolDirectory, "journal", segmentName(place.segment));
  const bytes = Buffer.allocUnsafe(place.length);
  const length = await withSegment(disk, at, (file) => file.read(bytes, 0, place.length, place.offset));
  const whole = length === place.length && place.body + place.size <= place.length;
  if (!whole || !isRecord(bytes, seedOf(place.generation))) {
    const where = `segment ${place.segment} at ${place.offset}`;
    throw new Trouble("read record", `Cannot read record in ${where}: not the one it was`, {
      code: "changed",
    });
  }
  return bytes;
}

async function* fileChunks(file: DiskFile, { size, front = "" }: FilePlace): AsyncIterable<Buffer> {
  const before = Buffer.from(front);
  if (before.length > 0) yield before;
  const end = size - before.length;
  for (let at = 0; at < end; ) {
    const bytes = Buffer.allocUnsafe(Math.min(CHUNK, end - at));
    const length = await file.read(bytes, 0, bytes.length, at);
    if (length === 0)
      throw new Trouble("read body", "Cannot read body: it is too short", { code: "changed" });
    at += length;
    yield bytes.subarray(0, length);
  }
}

/** Segments kept open, so that a delivery costs one read. One that has been removed or recycled since does no harm: the checksum
 * of a record covers its generation. */
const KEPT_OPEN = 4;

interface Opened {
  readonly file: Promise<DiskFile | undefined>;
  users: number;
  evicted: boolean;
}

const opened = new WeakMap<Disk, Map<string, Opened>>();

async function withSegment<T>(disk: Disk, at: string, use: (file: DiskFile) => Promise<T>): Promise<T> {
  const segments = opened.get(disk) ?? new Map<string, Opened>();
  opened.set(disk, segments);
  const segment = segments.get(at) ?? { file: disk.openRead(at), users: 0, evicted: false };
  // the one used last stands last
  segments.delete(at);
  segments.set(at, segment);
  segment.users++;
  try {
    const [oldest] = segments;
    if (segments.size > KEPT_OPEN && oldest) evict(segments, oldest[0]);
    const file = await segment.file;
    if (file) return await use(file);
    throw new Trouble("open segment", `Cannot open segment "${at}": not there`, { code: "ENOENT" });
  } catch (thrown) {
    if (segments.get(at) === segment) evict(segments, at);
    throw thrown;
  } finally {
    segment.users--;
    closeUnused(segment);
  }
}

function evict(segments: Map<string, Opened>, at: string): void {
  const segment = segments.get(at);
  if (!segment) return;
  segments.delete(at);
  segment.evicted = true;
  closeUnused(segment);
}

function closeUnused(segment: Opened): void {
  if (!segment.evicted || segment.users > 0) return;
  segment.file
    .then((file) => file?.close())
    .catch(() => {
      // it was only read from
    });
}
