// DJB's constant database (cdb): a hash table in one file that is only ever replaced as a whole. Reader, inspector and writer.
//
// All numbers are unsigned, 32 bits, little-endian. The file is
//   256 pointers    position of a table, and how many slots it has
//   records         length of the key, length of the data, key, data
//   256 tables      slots: hash, and the position of a record; position 0 means that the slot is empty
// The hash starts as 5381 and becomes (hash × 33) xor byte for each byte of the key. A record is in table (hash mod 256); its slot is the first
// free one from (hash ÷ 256) mod (slots of the table) on, going round. Of records with the same key the one written first is found.

import { limits } from "#base/limits.ts";

const TABLES = 256;
/** A pointer, a slot and the head of a record are two numbers each. */
const PAIR = 8;
const HEADER = TABLES * PAIR;
/** No file is longer than its positions can say. */
const LONGEST = 0xffff_ffff;

/** What a look-up found. `damaged` means that the file is no cdb, or one that lost some bytes: what it would have said is unknown. */
export type CdbAnswer =
  | { readonly kind: "found"; readonly data: Buffer; readonly position: number }
  | { readonly kind: "none" }
  | { readonly kind: "damaged"; readonly why: string };

/** A file that is read in parts. */
export interface CdbSource {
  readonly size: number;
  /** `length` bytes from `position` on; fewer only at the end of the file. */
  read(position: number, length: number): Promise<Buffer>;
}

export interface CdbRecord {
  readonly position: number;
  readonly key: Buffer;
  readonly data: Buffer;
}

export function cdbHash(key: Uint8Array): number {
  let hash = 5381;
  for (const byte of key) hash = (Math.imul(hash, 33) ^ byte) >>> 0;
  return hash;
}

/** Looks a key up in a cdb that is in memory. The data is a view into `bytes`. */
export function findInBytes(bytes: Buffer, key: Buffer): CdbAnswer {
  const search = lookUp(bytes.length, key, LONGEST);
  let step = search.next();
  while (!step.done) {
    const { position, length } = step.value;
    step = search.next(bytes.subarray(position, position + length));
  }
  return step.value;
}

/** Looks a key up in a cdb that stays in its file: reads a few hundred bytes as a rule. Rejects only when `source.read` does. */
export async function findInSource(source: CdbSource, key: Buffer): Promise<CdbAnswer> {
  const search = lookUp(source.size, key, limits.cdb.data);
  let step = search.next();
  while (!step.done) {
    const { position, length } = step.value;
    const bytes = await source.read(position, length);
    if (bytes.length < length) return damaged(`it ends before byte ${position + length}`);
    step = search.next(bytes);
  }
  return step.value;
}

interface Span {
  readonly position: number;
  readonly length: number;
}

const damaged = (why: string): CdbAnswer => ({ kind: "damaged", why });

const tooShort = (size: number): string => `it has ${size} bytes, and its header alone takes ${HEADER}`;

/** The look-up itself, whoever reads: it asks for spans, all of them within the file, and is given their bytes. */
function* lookUp(size: number, key: Buffer, most: number): Generator<Span, CdbAnswer, Buffer> {
  if (size < HEADER) return damaged(tooShort(size));
  const hash = cdbHash(key);
  const [table, slots] = pair(yield { position: (hash % TABLES) * PAIR, length: PAIR });
  const flaw = tableFlaw(size, table, slots);
  if (flaw !== undefined) return damaged(flaw);
  if (slots === 0) return { kind: "none" };
  for (const { first, count } of blocks((hash >>> 8) % slots, slots)) {
    const block = yield { position: table + first * PAIR, length: count * PAIR };
    for (let at = 0; at < count; at++) {
      const [slotHash, position] = pair(block, at * PAIR);
      if (position === 0) return { kind: "none" };
      if (slotHash !== hash) continue;
      const answer = yield* readRecord(size, position, key, most);
      if (answer) return answer;
    }
  }
  return { kind: "none" };
}

/** The record at a position when its key is the one we look for. */
function* readRecord(
  size: number,
  position: number,
  key: Buffer,
  most: number,
): Generator<Span, CdbAnswer | undefined, Buffer> {
  if (position < HEADER || position + PAIR > size) return damaged(`no record can be at ${position}`);
  const [keyLength, dataLength] = pair(yield { position, length: PAIR });
  const start = position + PAIR;
  if (start + keyLength + dataLength > size) return damaged(`the record at ${position} is cut off`);
  if (keyLength !== key.length) return undefined;
  if (keyLength > 0 && !key.equals(yield { position: start, length: keyLength })) return undefined;
  if (dataLength > most) return damaged(`the record at ${position} claims ${dataLength} bytes`);
  const data = dataLength > 0 ? yield { position: start + keyLength, length: dataLength } : Buffer.alloc(0);
  return { kind: "found", data, position };
}

/** All slots once, from `start` on and round the end. */
function* blocks(
  start: number,
  slots: number,
): Generator<{ readonly first: number; readonly count: number }> {
  let size = 8;
  let left = slots;
  for (let first = start; left > 0; ) {
    const count = Math.min(size, left, slots - first);
    yield { first, count };
    left -= count;
    first = (first + count) % slots;
    size = Math.min(size * 2, limits.cdb.slots);
  }
}

const pair = (bytes: Buffer, at = 0): readonly [number, number] => [
  bytes.readUInt32LE(at),
  bytes.readUInt32LE(at + 4),
];

/** A table without slots may be anywhere. */
const tableFlaw = (size: number, table: number, slots: number): string | undefined =>
  slots > 0 && (table < HEADER || table + slots * PAIR > size)
    ? `a table of ${slots} slots at ${table} does not lie in its ${size} bytes`
    : undefined;

/**
 * Reads a whole cdb: calls `visit` for each record in the order of the file, and answers what is damaged, if anything: lengths, hashes, tables, and
 * whether a look-up can reach every record. What was visited is of no use when it answers. (Bytes of data carry no checksum.)
 */
export function inspectCdb(bytes: Buffer, visit: (record: CdbRecord) => void): string | undefined {
  const end = endOfRecords(bytes);
  if (typeof end === "string") return end;
  const positions: number[] = [];
  for (let position = HEADER; position < end; ) {
    const record = recordAt(bytes, position, end);
    if (!record) return `the record at ${position} is cut off`;
    positions.push(position);
    visit(record);
    position += PAIR + record.key.length + record.data.length;
  }
  const inspection = { bytes, positions, pointed: new Uint8Array(positions.length) };
  for (let table = 0; table < TABLES; table++) {
    const flaw = slotsFlaw(inspection, table);
    if (flaw !== undefined) return flaw;
  }
  return inspection.pointed.includes(0) ? "a record is in no table" : undefined;
}

/** Where the first table begins, or what is wrong with the header. */
function endOfRecords(bytes: Buffer): number | string {
  if (bytes.length < HEADER) return tooShort(bytes.length);
  let end = bytes.length;
  let all = 0;
  for (let table = 0; table < TABLES; table++) {
    const [position, slots] = pair(bytes, table * PAIR);
    const flaw = tableFlaw(bytes.length, position, slots);
    if (flaw !== undefined) return flaw;
    if (slots > 0) end = Math.min(end, position);
    all += slots;
  }
  return HEADER + all * PAIR > bytes.length ? "its tables lie upon each other" : end;
}

function recordAt(bytes: Buffer, position: number, end: number): CdbRecord | undefined {
  if (position + PAIR > end) return undefined;
  const [keyLength, dataLength] = pair(bytes, position);
  const start = position + PAIR;
  const middle = start + keyLength;
  if (middle + dataLength > end) return undefined;
  return { position, key: bytes.subarray(start, middle), data: bytes.subarray(middle, middle + dataLength) };
}

interface Inspection {
  readonly bytes: Buffer;
  /** Where the records begin, ascending, and which of them a slot points to. */
  readonly positions: readonly number[];
  readonly pointed: Uint8Array;
}

/** Whether the slots of a table point to records of this table, each to another one, where a look-up for it comes by. */
function slotsFlaw(inspection: Inspection, table: number): string | undefined {
  const { bytes } = inspection;
  const [position, slots] = pair(bytes, table * PAIR);
  // slots since the last empty one: so far before its slot may the look-up for a record begin
  let run = fullTail(bytes, position, slots);
  for (let slot = 0; slot < slots; slot++) {
    const [hash, at] = pair(bytes, position + slot * PAIR);
    if (at === 0) {
      run = 0;
      continue;
    }
    if (!point(inspection, at)) return `a slot points to ${at}, where no record begins`;
    const [keyLength] = pair(bytes, at);
    const key = bytes.subarray(at + PAIR, at + PAIR + keyLength);
    if (hash !== cdbHash(key) || hash % TABLES !== table) return `the record at ${at} has another hash`;
    const away = (slot - ((hash >>> 8) % slots) + slots) % slots;
    if (away > run) return `the record at ${at} cannot be found`;
    run++;
  }
  return undefined;
}

/** Notes that a slot points to a record; false when no record begins there, or another slot points to it. */
function point({ positions, pointed }: Inspection, position: number): boolean {
  const index = indexOf(positions, position);
  if (index === undefined || pointed[index] === 1) return false;
  pointed[index] = 1;
  return true;
}

/** How many slots at the end of a table are full: look-ups go round. */
function fullTail(bytes: Buffer, table: number, slots: number): number {
  let full = 0;
  while (full < slots && pair(bytes, table + (slots - 1 - full) * PAIR)[1] !== 0) full++;
  return full;
}

/** Where a number is in an ascending list. */
function indexOf(sorted: readonly number[], wanted: number): number | undefined {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === wanted ? low : undefined;
}

/** Writes a cdb in memory; the same records in the same order give the bytes that cdbmake writes. */
export class CdbWriter {
  readonly #most: number;
  readonly #hashes: number[] = [];
  readonly #positions: number[] = [];
  #bytes = Buffer.alloc(HEADER + 4096);
  #end = HEADER;

  /** @param most the size that the file may reach */
  constructor(most: number = LONGEST) {
    this.#most = Math.min(most, LONGEST);
  }

  /** Adds a record. Its position in the file, or undefined when the file would become too long (then nothing is added). */
  add(key: Uint8Array, data: Uint8Array): number | undefined {
    const position = this.#end;
    const end = position + PAIR + key.length + data.length;
    if (sizeWith(end, this.#hashes.length + 1) > this.#most) return undefined;
    this.#reserve(end);
    this.#bytes.writeUInt32LE(key.length, position);
    this.#bytes.writeUInt32LE(data.length, position + 4);
    this.#bytes.set(key, position + PAIR);
    this.#bytes.set(data, position + PAIR + key.length);
    this.#end = end;
    this.#hashes.push(cdbHash(key));
    this.#positions.push(position);
    return position;
  }

  /** The whole file. Nothing can be added afterwards. */
  finish(): Buffer {
    const size = sizeWith(this.#end, this.#hashes.length);
    this.#reserve(size);
    const tables = Array.from({ length: TABLES }, (): number[] => []);
    for (const [record, hash] of this.#hashes.entries()) tables[hash % TABLES]?.push(record);
    let position = this.#end;
    for (const [table, records] of tables.entries()) {
      const slots = 2 * records.length;
      this.#bytes.writeUInt32LE(position, table * PAIR);
      this.#bytes.writeUInt32LE(slots, table * PAIR + 4);
      this.#fill(this.#bytes.subarray(position, position + slots * PAIR), records);
      position += slots * PAIR;
    }
    return this.#bytes.subarray(0, size);
  }

  #fill(table: Buffer, records: readonly number[]): void {
    const slots = 2 * records.length;
    table.fill(0);
    // from a full slot towards the next free one, so that many records with one key do not cost the square of their number
    const next = Uint32Array.from({ length: slots }, (_, slot) => slot);
    for (const record of records) {
      const hash = this.#hashes[record] ?? 0;
      const slot = follow(next, (hash >>> 8) % slots);
      next[slot] = (slot + 1) % slots;
      table.writeUInt32LE(hash, slot * PAIR);
      table.writeUInt32LE(this.#positions[record] ?? 0, slot * PAIR + 4);
    }
  }

  #reserve(size: number): void {
    if (size <= this.#bytes.length) return;
    const larger = Buffer.alloc(Math.max(size, Math.min(2 * this.#bytes.length, this.#most)));
    this.#bytes.copy(larger, 0, 0, this.#end);
    this.#bytes = larger;
  }
}

/** Every record has two slots in its table. */
const sizeWith = (end: number, records: number): number => end + 2 * records * PAIR;

/** The free slot that a chain leads to; the chain is made shorter on the way. Half of all slots stay free, so that there is one. */
function follow(next: Uint32Array, start: number): number {
  let slot = start;
  for (;;) {
    const after = next[slot] ?? slot;
    if (after === slot) return slot;
    slot = next[slot] = next[after] ?? after;
  }
}
