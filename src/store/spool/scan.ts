// Scan: reads a segment from front to back and shows every record in it that can be read (docs/queue.md R1, R2, Q11).

import type { DiskFile } from "#sys/disk.ts";
import { BLOCK, FIRST, isRecord, LIFE, type Life, RECORD_HEADER, seedOf } from "./record.ts";

/** No record is longer: a head is a frame of talk at most, an inline body 128 KiB. */
export const MAX_RECORD = 2 * 1024 * 1024;

const ZEROS = Buffer.alloc(BLOCK);

/** Bytes in memory while a segment is read. */
const WINDOW = 2 * MAX_RECORD;

export interface ScanEvents {
  /** A whole record and where it starts. The bytes are a view: copy what is kept. */
  record(bytes: Buffer, at: number): void;
  /** Bytes from `from` to `to` are no records, though there are records behind them. */
  damage(from: number, to: number): void;
}

/** Reads all of a segment; `window` is scratch space (see `scanWindow`). Trouble when it cannot be read. */
export async function scanSegment(
  file: DiskFile,
  life: Life,
  events: ScanEvents,
  window: Buffer = scanWindow(),
): Promise<void> {
  const reading = new Reading(file, window);
  const seed = seedOf(life.generation);
  // up to here everything is accounted for
  let end = FIRST;
  for (let at = FIRST; ; ) {
    const length = await recordAt(reading, life, seed, at);
    if (length > 0) {
      if (at !== end) events.damage(end, at);
      events.record(reading.view(at, length), at);
      end = at += length;
    } else if (at === end && (await isPadding(reading, at))) {
      end = at = Math.ceil(at / BLOCK) * BLOCK;
    } else {
      const next = await reading.find(life.nonce, at + 1);
      if (next === undefined) return;
      at = next;
    }
  }
}

/** Scratch space for `scanSegment` on segments up to this size. */
export function scanWindow(size = WINDOW): Buffer {
  return Buffer.allocUnsafeSlow(Math.min(size, WINDOW));
}

/** The length of the valid record at `at`, or 0. */
async function recordAt(reading: Reading, life: Life, seed: number, at: number): Promise<number> {
  if (!(await reading.has(at, RECORD_HEADER + 1))) return 0;
  const head = reading.view(at, RECORD_HEADER);
  if (!head.subarray(0, LIFE).equals(life.nonce)) return 0;
  const length = RECORD_HEADER + head.readUInt32BE(12);
  if (length > MAX_RECORD || !(await reading.has(at, length))) return 0;
  return isRecord(reading.view(at, length), seed) ? length : 0;
}

/** Whether only zeros stand between `at`, inside a block, and the end of that block. */
async function isPadding(reading: Reading, at: number): Promise<boolean> {
  const length = Math.ceil(at / BLOCK) * BLOCK - at;
  if (length === 0 || !(await reading.has(at, length))) return false;
  return reading.view(at, length).equals(ZEROS.subarray(0, length));
}

/** A window that slides over the file, forwards only. */
class Reading {
  readonly #file: DiskFile;
  readonly #window: Buffer;
  #base = 0;
  #filled = 0;

  constructor(file: DiskFile, window: Buffer) {
    this.#file = file;
    this.#window = window;
  }

  /** Whether the file has these bytes; brings them into the window. */
  async has(at: number, length: number): Promise<boolean> {
    if (at + length > this.#base + this.#filled) await this.#slide(at);
    return at + length <= this.#base + this.#filled;
  }

  view(at: number, length: number): Buffer {
    return this.#window.subarray(at - this.#base, at - this.#base + length);
  }

  /** Where these bytes come next, at `from` or later. */
  async find(bytes: Buffer, from: number): Promise<number | undefined> {
    for (let at = from; await this.has(at, bytes.length); ) {
      const found = this.#window.subarray(0, this.#filled).indexOf(bytes, at - this.#base);
      if (found >= 0) return this.#base + found;
      // the last bytes of the window may be the first of what is looked for
      at = Math.max(at + 1, this.#base + this.#filled - bytes.length + 1);
    }
    return undefined;
  }

  async #slide(at: number): Promise<void> {
    const kept = Math.max(0, this.#base + this.#filled - at);
    if (kept > 0) this.#window.copyWithin(0, at - this.#base, this.#filled);
    this.#base = at;
    this.#filled = kept;
    while (this.#filled < this.#window.length) {
      const read = await this.#file.read(
        this.#window,
        this.#filled,
        this.#window.length - this.#filled,
        this.#base + this.#filled,
      );
      if (read === 0) return;
      this.#filled += read;
    }
  }
}
