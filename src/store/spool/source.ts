// Reading a queued body by its Place, for local, remote and the queue's own bounces. A record that has been recycled meanwhile, or is
// damaged, is Trouble, never other bytes.

import { Trouble } from "#base/problem.ts";
import type { Disk, DiskFile } from "#sys/disk.ts";
import { readWhole } from "#sys/disk.ts";
import type { Place } from "./place.ts";
import { intact } from "./record.ts";

export interface BodySource {
  readonly size: number;
  /** All of it, when it lay in the journal. */
  readonly whole: Buffer | undefined;
  chunks(): AsyncIterable<Buffer>;
  close(): Promise<void>;
}

const CHUNK = 64 * 1024;

export const segmentPath = (spool: string, generation: number): string =>
  `${spool}/journal/${String(generation).padStart(10, "0")}.seg`;

export const bodyPath = (spool: string, name: string): string => `${spool}/body/${name}`;

/** Opens a body. Trouble when it is not there (any more) or its checksum is wrong. */
export async function openBody(disk: Disk, spool: string, place: Place): Promise<BodySource> {
  if (place.kind === "file") return fileSource(disk, bodyPath(spool, place.name), place.size);
  const path = segmentPath(spool, place.generation);
  const file = await disk.openRead(path);
  if (!file) throw new Trouble("read a body", `Cannot read "${path}": the message has ended`);
  try {
    const record = Buffer.allocUnsafe(place.length);
    let at = 0;
    while (at < place.length) {
      const got = await file.read(record, at, place.length - at, place.offset + at);
      if (got === 0) break;
      at += got;
    }
    if (at < place.length || record.readUInt32BE(0) !== place.length || !intact(record, 0, place.length, place.generation)) {
      throw new Trouble("read a body", `Cannot read "${path}" at ${place.offset}: the record is damaged or gone`);
    }
    return memorySource(record.subarray(place.body, place.body + place.size));
  } finally {
    await file.close();
  }
}

function memorySource(whole: Buffer): BodySource {
  return {
    size: whole.length,
    whole,
    async *chunks() {
      yield whole;
    },
    close: async () => {},
  };
}

async function fileSource(disk: Disk, path: string, size: number): Promise<BodySource> {
  const file = await disk.openRead(path);
  if (!file) throw new Trouble("read a body", `Cannot read "${path}": there is no such file`);
  return { size, whole: undefined, chunks: () => fileChunks(file), close: () => file.close() };
}

async function* fileChunks(file: DiskFile): AsyncGenerator<Buffer> {
  for (let at = 0; ; ) {
    const chunk = Buffer.allocUnsafe(CHUNK);
    const got = await file.read(chunk, 0, CHUNK, at);
    if (got === 0) return;
    at += got;
    yield chunk.subarray(0, got);
  }
}

/** The start of a body, for the copy of a header in a bounce. */
export async function bodyStart(disk: Disk, spool: string, place: Place, most: number): Promise<Buffer> {
  if (place.kind === "file") return (await readWhole(disk, bodyPath(spool, place.name), most)) ?? Buffer.alloc(0);
  const source = await openBody(disk, spool, place);
  return source.whole?.subarray(0, most) ?? Buffer.alloc(0);
}
