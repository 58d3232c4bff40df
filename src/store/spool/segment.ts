// Segments of the journal: their names, and the header that says which life of the file its bytes belong to (docs/queue.md §2).
//   0 "KENROSEG"   8 u32 version   12 u32 generation   16 u32 mark   20 u32 salt   24 u32 zero   28 u32 CRC-32 of bytes 0–27
// The header stands twice in the first block, so that rewriting one copy never leaves the segment without a readable one.

import { randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";

/** Header block, and the alignment of batches: a page once synced is never written again in the same life (Q5). */
export const BLOCK = 4096;

/** Where the two copies of the header stand. */
export const HEAD_COPIES = [0, 2048] as const;

const HEAD = 32;
const MAGIC = Buffer.from("KENROSEG", "latin1");
const VERSION = 1;

/** One life of a segment file, from one rewriting of its header to the next. */
export interface Life {
  /** Counts the lives of all segments of this spool; a higher one is later. */
  readonly generation: number;
  /** The first four bytes of every record of this life; random, so that nobody can write records into a message's body. */
  readonly mark: number;
  readonly salt: number;
  /** Start value of every record's checksum; made of generation, mark and salt. */
  readonly seed: number;
}

/** A new life with random mark and salt. */
export function newLife(generation: number): Life {
  const random = randomBytes(8);
  // zeros fill the parts of a segment that were never written, so a mark is never zero
  const mark = random.readUInt32BE(0) || 1;
  const salt = random.readUInt32BE(4);
  return { generation, mark, salt, seed: seedOf(generation, mark, salt) };
}

function seedOf(generation: number, mark: number, salt: number): number {
  const bytes = Buffer.allocUnsafe(12);
  bytes.writeUInt32BE(generation, 0);
  bytes.writeUInt32BE(mark, 4);
  bytes.writeUInt32BE(salt, 8);
  return crc32(bytes);
}

/** One copy of the header. */
export function formatHead(life: Life): Buffer {
  const bytes = Buffer.alloc(HEAD);
  MAGIC.copy(bytes);
  bytes.writeUInt32BE(VERSION, 8);
  bytes.writeUInt32BE(life.generation, 12);
  bytes.writeUInt32BE(life.mark, 16);
  bytes.writeUInt32BE(life.salt, 20);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 28)), 28);
  return bytes;
}

function parseHead(block: Buffer, at: number): Life | undefined {
  if (block.length < at + HEAD) return undefined;
  const bytes = block.subarray(at, at + HEAD);
  if (!bytes.subarray(0, 8).equals(MAGIC) || bytes.readUInt32BE(8) !== VERSION) return undefined;
  if (bytes.readUInt32BE(28) !== crc32(bytes.subarray(0, 28))) return undefined;
  const [generation, mark, salt] = [bytes.readUInt32BE(12), bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  return { generation, mark, salt, seed: seedOf(generation, mark, salt) };
}

/** The life that a header block tells of: the later one when the copies differ (Q4). Undefined: neither copy can be read. */
export function parseBlock(block: Buffer): Life | undefined {
  let latest: Life | undefined;
  for (const at of HEAD_COPIES) {
    const life = parseHead(block, at);
    if (life && (!latest || life.generation > latest.generation)) latest = life;
  }
  return latest;
}

/** A whole header block of a new file. */
export function formatBlock(life: Life): Buffer {
  const block = Buffer.alloc(BLOCK);
  for (const at of HEAD_COPIES) formatHead(life).copy(block, at);
  return block;
}

/** Name of a segment's file in spool/journal. */
export const segmentName = (number: number): string => `${String(number).padStart(10, "0")}.seg`;

/** The number in a file name, or undefined when it is no segment. */
export function segmentNumber(name: string): number | undefined {
  return /^\d{10}\.seg$/.test(name) ? Number(name.slice(0, 10)) : undefined;
}

/** The next place where a batch may start. */
export const alignUp = (offset: number): number => Math.ceil(offset / BLOCK) * BLOCK;
