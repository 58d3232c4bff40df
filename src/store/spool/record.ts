// Record: how the journal's records and the segments' headers look on disk, byte by byte (docs/queue.md §2). Pure: bytes ⇄ values.
//   header    "KENROSEG" | u32 version | u64 generation | 8 bytes life | u64 floor | u32 CRC of all that   twice, in blocks 0 and 1
//   record    8 bytes life | u32 CRC | u32 length | u8 type | the rest of `length` bytes
// The CRC of a record covers the segment's generation and everything behind the CRC itself. Life is random and new with each
// generation: no body, and no byte of an earlier life, can pass for a record, even where reading starts in the middle (Q3).

import { crc32 } from "node:zlib";

/** Batches start and end at multiples of this, so that a synced block is never written again (Q4). */
export const BLOCK = 4096;

/** Two blocks of header; records start here. */
export const FIRST = 2 * BLOCK;

export const LIFE = 8;

/** Bytes before a record's type. */
export const RECORD_HEADER = 16;

export const MESSAGE = 1;
export const PROGRESS = 2;
export const END = 3;

const MAGIC = Buffer.from("KENROSEG");
const VERSION = 1;
const HEADER_SIZE = 40;

export interface Life {
  /** Greater than that of every segment before. */
  readonly generation: number;
  readonly nonce: Buffer;
  /** No prefix of an id that was given before this life began is greater (Q8). */
  readonly floor: number;
}

/** Both header blocks of a segment. */
export function formatHeader(life: Life): Buffer {
  const bytes = Buffer.alloc(FIRST);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt32BE(VERSION, 8);
  bytes.writeBigUInt64BE(BigInt(life.generation), 12);
  life.nonce.copy(bytes, 20);
  bytes.writeBigUInt64BE(BigInt(life.floor), 28);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 36)), 36);
  bytes.copy(bytes, BLOCK, 0, HEADER_SIZE);
  return bytes;
}

/** The life a segment is in: that of its valid copy, the newer one when a crash left two. Undefined: no copy can be read. */
export function parseHeader(bytes: Buffer): Life | undefined {
  const first = parseCopy(bytes.subarray(0, HEADER_SIZE));
  const second = parseCopy(bytes.subarray(BLOCK, BLOCK + HEADER_SIZE));
  if (!first || !second) return first ?? second;
  return second.generation > first.generation ? second : first;
}

function parseCopy(bytes: Buffer): Life | undefined {
  if (bytes.length < HEADER_SIZE || !bytes.subarray(0, 8).equals(MAGIC)) return undefined;
  if (bytes.readUInt32BE(36) !== crc32(bytes.subarray(0, 36))) return undefined;
  if (bytes.readUInt32BE(8) !== VERSION) return undefined;
  const generation = Number(bytes.readBigUInt64BE(12));
  const floor = Number(bytes.readBigUInt64BE(28));
  if (!Number.isSafeInteger(generation) || !Number.isSafeInteger(floor)) return undefined;
  return { generation, nonce: Buffer.from(bytes.subarray(20, 28)), floor };
}

/** A record whose life and CRC are not known yet: they depend on the segment it will be written to. */
export interface Unsealed {
  readonly chunks: readonly Buffer[];
  readonly length: number;
  /** Where in the record the body of a message starts. */
  readonly body: number;
}

/** A message record: head and inline body (empty when the body has a file of its own). */
export function formatMessage(head: string, body: readonly Buffer[]): Unsealed {
  const size = body.reduce((sum, each) => sum + each.length, 0);
  const headSize = Buffer.byteLength(head);
  const start = RECORD_HEADER + 1 + 4 + headSize;
  const bytes = Buffer.allocUnsafe(start);
  bytes.writeUInt32BE(start - RECORD_HEADER + size, 12);
  bytes[RECORD_HEADER] = MESSAGE;
  bytes.writeUInt32BE(headSize, RECORD_HEADER + 1);
  bytes.write(head, RECORD_HEADER + 5);
  return { chunks: [bytes, ...body], length: start + size, body: start };
}

/** A progress or end record. */
export function formatNote(type: typeof PROGRESS | typeof END, text: string): Unsealed {
  const size = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(RECORD_HEADER + 1 + size);
  bytes.writeUInt32BE(1 + size, 12);
  bytes[RECORD_HEADER] = type;
  bytes.write(text, RECORD_HEADER + 1);
  return { chunks: [bytes], length: bytes.length, body: bytes.length };
}

/** CRC-32 of the generation alone: where the CRC of every record of that generation starts. */
export function seedOf(generation: number): number {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(BigInt(generation));
  return crc32(bytes);
}

/** Makes the record one of this life. */
export function seal(record: Unsealed, nonce: Buffer, seed: number): void {
  const [head, ...rest] = record.chunks;
  if (!head) return;
  nonce.copy(head, 0);
  let sum = crc32(head.subarray(12), seed);
  for (const chunk of rest) sum = crc32(chunk, sum);
  head.writeUInt32BE(sum, 8);
}

/** Whether these bytes, life included, are one whole record of that generation. */
export function isRecord(bytes: Buffer, seed: number): boolean {
  if (bytes.length <= RECORD_HEADER || bytes.readUInt32BE(12) !== bytes.length - RECORD_HEADER) return false;
  return bytes.readUInt32BE(8) === crc32(bytes.subarray(12), seed);
}

export interface MessageParts {
  /** JSON, see state.ts. */
  readonly head: Buffer;
  /** Where in the record the body starts. */
  readonly body: number;
}

/** The parts of a message record that `isRecord`; undefined when it is none. */
export function messageParts(bytes: Buffer): MessageParts | undefined {
  const start = RECORD_HEADER + 5;
  if (bytes[RECORD_HEADER] !== MESSAGE || bytes.length < start) return undefined;
  const body = start + bytes.readUInt32BE(RECORD_HEADER + 1);
  return body > bytes.length ? undefined : { head: bytes.subarray(start, body), body };
}

/** The name of a segment's file. */
export function segmentName(number: number): string {
  return `${String(number).padStart(10, "0")}.seg`;
}

/** The number in a segment's file name, or undefined. */
export function segmentNumber(name: string): number | undefined {
  return /^\d{10}\.seg$/.test(name) ? Number.parseInt(name, 10) : undefined;
}
