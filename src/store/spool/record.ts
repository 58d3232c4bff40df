// Records of the journal and the header of its segments, byte by byte as docs/queue.md says. Pure.

import { crc32 } from "node:zlib";
import { integer, list, oneOf, optional, readJson, record, type Shape, type Shaped, text } from "#base/shape.ts";
import { envelopeShape } from "#wire/envelope.ts";

export const SEGMENT_HEADER = 4096;
export const RECORD_HEADER = 12;
const MAGIC = "KENROSPL";
const FORMAT = 1;

export const types = { message: 1, progress: 2, end: 3 } as const;

const state = record({
  index: integer(0),
  state: oneOf("waiting", "delivered", "failed"),
  attempts: integer(0),
  /** ms since 1970 */
  next: integer(0),
  status: text(),
  reason: text(),
});

/** Where one recipient stands. */
export type State = Shaped<typeof state>;

const number: Shape<number> = integer(0);

const messageMeta = record({
  id: text(64),
  arrived: number,
  envelope: envelopeShape,
  /** Of a copy made by compaction. */
  states: optional(list(state)),
  warned: optional(number),
  /** The message that this one, its bounce, ends (Q7). */
  ends: optional(text(64)),
  /** The body is a file of this name in spool/body/. */
  file: optional(text(64)),
  size: number,
});

export type MessageMeta = Shaped<typeof messageMeta>;

const progressMeta = record({ id: text(64), states: list(state), warned: optional(number) });
export type ProgressMeta = Shaped<typeof progressMeta>;

const endMeta = record({ id: text(64) });

export type Parsed =
  | { readonly type: "message"; readonly meta: MessageMeta; /** Where the body starts in the record. */ readonly body: number }
  | { readonly type: "progress"; readonly meta: ProgressMeta }
  | { readonly type: "end"; readonly id: string };

function generationBytes(generation: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(BigInt(generation));
  return bytes;
}

/** The first 4096 bytes of a segment. */
export function formatSegmentHeader(generation: number): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER);
  bytes.write(MAGIC, 0, "latin1");
  bytes.writeUInt32BE(FORMAT, 8);
  bytes.writeBigUInt64BE(BigInt(generation), 12);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 20)), 20);
  return bytes;
}

/** The generation in a segment's header, or undefined when it is none of ours. */
export function parseSegmentHeader(bytes: Buffer): number | undefined {
  if (bytes.length < 24 || bytes.toString("latin1", 0, 8) !== MAGIC || bytes.readUInt32BE(8) !== FORMAT) return undefined;
  if (bytes.readUInt32BE(20) !== crc32(bytes.subarray(0, 20))) return undefined;
  return Number(bytes.readBigUInt64BE(12));
}

/** A record on its way to disk; the checksum comes when the segment is known. */
export interface Draft {
  readonly parts: readonly Buffer[];
  readonly size: number;
  /** Where in the record the body starts; 0 without one. */
  readonly body: number;
}

function draft(type: number, payload: readonly Buffer[], bodyAt: number): Draft {
  const size = RECORD_HEADER + payload.reduce((sum, { length }) => sum + length, 0);
  const head = Buffer.alloc(RECORD_HEADER);
  head.writeUInt32BE(size, 0);
  head[8] = type;
  return { parts: [head, ...payload], size, body: bodyAt };
}

export function messageDraft(meta: MessageMeta, body: readonly Buffer[]): Draft {
  const json = Buffer.from(JSON.stringify(meta));
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32BE(json.length);
  return draft(types.message, [length, json, ...body], RECORD_HEADER + 4 + json.length);
}

export const progressDraft = (meta: ProgressMeta): Draft => draft(types.progress, [Buffer.from(JSON.stringify(meta))], 0);

export const endDraft = (id: string): Draft => draft(types.end, [Buffer.from(JSON.stringify({ id }))], 0);

/** Puts the checksum for this generation into the record's first part. */
export function seal({ parts }: Draft, generation: number): void {
  const [head, ...rest] = parts;
  if (!head) return;
  let sum = crc32(head.subarray(8), crc32(generationBytes(generation)));
  for (const part of rest) sum = crc32(part, sum);
  head.writeUInt32BE(sum, 4);
}

/** Length of the record that starts here, or 0 when there can be none. */
export function recordLength(bytes: Buffer, at: number): number {
  if (bytes.length - at < RECORD_HEADER) return 0;
  const length = bytes.readUInt32BE(at);
  return length > RECORD_HEADER && length <= bytes.length - at ? length : 0;
}

/** Is the checksum of the record at this place right? */
export function intact(bytes: Buffer, at: number, length: number, generation: number): boolean {
  const sum = crc32(bytes.subarray(at + 8, at + length), crc32(generationBytes(generation)));
  return sum === bytes.readUInt32BE(at + 4);
}

/** What an intact record says; undefined when it cannot be understood. `bytes` is the record. */
export function parseRecord(bytes: Buffer): Parsed | undefined {
  switch (bytes[8]) {
    case types.message: {
      const body = RECORD_HEADER + 4 + (bytes.length >= RECORD_HEADER + 4 ? bytes.readUInt32BE(RECORD_HEADER) : 0);
      if (body > bytes.length) return undefined;
      const meta = readJson(messageMeta, bytes.subarray(RECORD_HEADER + 4, body));
      return meta.ok ? { type: "message", meta: meta.value, body } : undefined;
    }
    case types.progress: {
      const meta = readJson(progressMeta, bytes.subarray(RECORD_HEADER));
      return meta.ok ? { type: "progress", meta: meta.value } : undefined;
    }
    case types.end: {
      const meta = readJson(endMeta, bytes.subarray(RECORD_HEADER));
      return meta.ok ? { type: "end", id: meta.value.id } : undefined;
    }
    default:
      return undefined;
  }
}
