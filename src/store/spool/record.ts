// Records of the journal: the frame around every payload (docs/queue.md §3). All numbers are big-endian.
//   0 u32 mark of the life   4 u32 length of the payload   8 u32 batch   12 u16 records of the batch that follow   14 u8 type
//   15 u8 zero   16 u32 CRC-32, started with the life's seed, of bytes 0–15 and the payload   20 payload

import { crc32 } from "node:zlib";
import type { Life } from "./segment.ts";

export const FRAME = 20;

export const MESSAGE = 1;
export const PROGRESS = 2;
export const END = 3;
export const VOID = 4;

export type RecordType = typeof MESSAGE | typeof PROGRESS | typeof END | typeof VOID;

/** A record before it has its place. The first chunk begins with FRAME bytes of room for the frame. */
export interface Unsealed {
  readonly type: RecordType;
  readonly chunks: readonly Buffer[];
  /** Bytes of all chunks, the frame counted. */
  readonly length: number;
}

/** Room for a frame and `size` bytes of payload. */
export const allocateRecord = (size: number): Buffer => Buffer.allocUnsafe(FRAME + size);

/** Writes the frame: from now on the record belongs to this life, batch and place in the batch. */
export function seal(record: Unsealed, life: Life, batch: number, left: number): void {
  const first = record.chunks[0];
  if (!first) return;
  first.writeUInt32BE(life.mark, 0);
  first.writeUInt32BE(record.length - FRAME, 4);
  first.writeUInt32BE(batch, 8);
  first.writeUInt16BE(Math.min(left, 0xffff), 12);
  first[14] = record.type;
  first[15] = 0;
  let sum = crc32(first.subarray(0, 16), life.seed);
  sum = crc32(first.subarray(FRAME), sum);
  for (let at = 1; at < record.chunks.length; at++) sum = crc32(record.chunks[at] ?? "", sum);
  first.writeUInt32BE(sum, 16);
}

export interface Sealed {
  readonly type: number;
  readonly batch: number;
  readonly left: number;
  /** Of the whole record. */
  readonly length: number;
  readonly payload: Buffer;
}

/** The record that starts at `at`, or undefined when there is none of this life that is whole. */
export function readRecord(bytes: Buffer, at: number, life: Life): Sealed | undefined {
  if (bytes.length - at < FRAME || bytes.readUInt32BE(at) !== life.mark) return undefined;
  const length = FRAME + bytes.readUInt32BE(at + 4);
  if (length > bytes.length - at) return undefined;
  const payload = bytes.subarray(at + FRAME, at + length);
  const sum = crc32(payload, crc32(bytes.subarray(at, at + 16), life.seed));
  if (sum !== bytes.readUInt32BE(at + 16)) return undefined;
  return {
    type: bytes.readUInt8(at + 14),
    batch: bytes.readUInt32BE(at + 8),
    left: bytes.readUInt16BE(at + 12),
    length,
    payload,
  };
}
