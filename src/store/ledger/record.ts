// Record: how the ledger's memory looks on disk, byte by byte (docs/ledger.md). Pure: bytes ⇄ values.
//   header    "KENROLED" | u32 version | u64 generation | u32 CRC of all that
//   record    u32 CRC | u32 length | `length` bytes of JSON: [table, key, value]
// The CRC of a record covers the file's generation, its length and its JSON, so that no byte of another file passes for one.

import { crc32 } from "node:zlib";
import { limits } from "#base/limits.ts";
import { seedOf } from "../spool/record.ts";

const MAGIC = Buffer.from("KENROLED");
const VERSION = 1;
export const HEADER = 24;
const RECORD_HEADER = 8;

export interface Entry {
  readonly table: string;
  readonly key: string;
  /** null: removed. */
  readonly value: unknown;
}

/** Ends the snapshot with which a file begins. */
export const SNAPSHOT_END: Entry = { table: "", key: "", value: null };

/** The header of a file. */
export function formatHeader(generation: number): Buffer {
  const bytes = Buffer.alloc(HEADER);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt32BE(VERSION, 8);
  bytes.writeBigUInt64BE(BigInt(generation), 12);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 20)), 20);
  return bytes;
}

/** The generation of a file, or undefined when this is no header of one. */
export function parseHeader(bytes: Buffer): number | undefined {
  if (bytes.length < HEADER || !bytes.subarray(0, 8).equals(MAGIC)) return undefined;
  if (bytes.readUInt32BE(20) !== crc32(bytes.subarray(0, 20)) || bytes.readUInt32BE(8) !== VERSION)
    return undefined;
  const generation = Number(bytes.readBigUInt64BE(12));
  return Number.isSafeInteger(generation) ? generation : undefined;
}

/** Writes records of one file. */
export class RecordWriter {
  readonly #seed: number;

  constructor(generation: number) {
    this.#seed = seedOf(generation);
  }

  /** One record as bytes. */
  format({ table, key, value }: Entry): Buffer {
    const text = JSON.stringify([table, key, value]);
    const size = Buffer.byteLength(text);
    const bytes = Buffer.allocUnsafe(RECORD_HEADER + size);
    bytes.writeUInt32BE(size, 4);
    bytes.write(text, RECORD_HEADER);
    bytes.writeUInt32BE(crc32(bytes.subarray(4), this.#seed), 0);
    return bytes;
  }
}

/** Cuts bytes of one file into records, until one cannot be read; from there on nothing is believed. */
export class RecordReader {
  readonly #seed: number;
  #kept: Buffer = Buffer.alloc(0);
  /** Bytes of whole records so far. */
  good = 0;
  damaged = false;

  constructor(generation: number) {
    this.#seed = seedOf(generation);
  }

  /** All records that are complete now. */
  feed(chunk: Buffer): readonly Entry[] {
    if (this.damaged) return [];
    const bytes = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    const entries: Entry[] = [];
    let at = 0;
    while (bytes.length - at >= RECORD_HEADER) {
      const length = bytes.readUInt32BE(at + 4);
      if (length > limits.ledger.record) this.damaged = true;
      const end = at + RECORD_HEADER + length;
      if (this.damaged || end > bytes.length) break;
      const entry = this.#entry(bytes.subarray(at, end));
      if (!entry) break;
      entries.push(entry);
      this.good += end - at;
      at = end;
    }
    this.#kept = Buffer.from(bytes.subarray(at));
    return entries;
  }

  /** Bytes behind the last whole record. */
  get rest(): number {
    return this.#kept.length;
  }

  #entry(bytes: Buffer): Entry | undefined {
    const entry =
      bytes.readUInt32BE(0) === crc32(bytes.subarray(4), this.#seed)
        ? parseEntry(bytes.toString("utf8", RECORD_HEADER))
        : undefined;
    if (!entry) this.damaged = true;
    return entry;
  }
}

function parseEntry(text: string): Entry | undefined {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    // the sum is right and the text is not: whatever wrote it, it is no record
    return undefined;
  }
  if (!Array.isArray(read) || read.length !== 3) return undefined;
  const [table, key, value] = read as unknown[];
  return typeof table === "string" && typeof key === "string" ? { table, key, value } : undefined;
}
