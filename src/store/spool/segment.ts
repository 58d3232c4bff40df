// Segment: one file of the journal: made full of zeros or taken over from an earlier life, then only appended to (docs/queue.md C1, Q4).

import { randomBytes } from "node:crypto";
import path from "node:path";
import type { Disk, DiskFile } from "#sys/disk.ts";
import { BLOCK, FIRST, formatHeader, LIFE, type Life, seedOf, segmentName } from "./record.ts";

/** One write while a new file is filled with zeros. */
const ZEROS = Buffer.alloc(256 * 1024);
const PADDING = Buffer.alloc(BLOCK);

export class Segment {
  readonly number: number;
  readonly life: Life;
  readonly seed: number;
  readonly size: number;
  readonly #file: DiskFile;
  position = FIRST;

  constructor(number: number, life: Life, at: { readonly file: DiskFile; readonly size: number }) {
    this.number = number;
    this.life = life;
    this.seed = seedOf(life.generation);
    this.#file = at.file;
    this.size = at.size;
  }

  /** Bytes of records that fit into the rest. */
  get room(): number {
    return this.size - this.position;
  }

  /** Writes one batch at `position` and syncs it; then, and only then, `position` moves. Trouble: the segment must be left (Q7). */
  async append(chunks: readonly Buffer[], length: number): Promise<void> {
    const padded = Math.ceil(length / BLOCK) * BLOCK;
    const padding = PADDING.subarray(0, padded - length);
    await this.#file.write(padding.length > 0 ? [...chunks, padding] : chunks, this.position);
    await this.#file.syncData();
    this.position += padded;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

const newLife = ({ generation, floor }: Slot): Life => ({ generation, floor, nonce: randomBytes(LIFE) });

export interface Slot {
  readonly disk: Disk;
  /** spool/journal */
  readonly directory: string;
  readonly number: number;
  readonly generation: number;
  readonly floor: number;
  readonly size: number;
}

/** A new file, durable with its name. Trouble when there is no room; then nothing is left behind. */
export async function makeSegment(slot: Slot): Promise<Segment> {
  const { disk, directory, number, size } = slot;
  const at = path.join(directory, segmentName(number));
  const file = await disk.create(at, 0o640);
  try {
    const life = newLife(slot);
    for (let position = FIRST; position < size; position += ZEROS.length) {
      await file.write([ZEROS.subarray(0, Math.min(ZEROS.length, size - position))], position);
    }
    await file.write([formatHeader(life)], 0);
    await file.sync();
    await disk.syncDirectory(directory);
    return new Segment(number, life, { file, size });
  } catch (thrown) {
    await file.close().catch(() => {});
    // a file without records; recovery would remove it too
    await disk.remove(at).catch(() => false);
    throw thrown;
  }
}

/** Begins a new life in the file of a segment that nobody needs any more; its records are gone once this resolves. */
export async function recycleSegment(slot: Slot): Promise<Segment> {
  const { disk, directory, number, size } = slot;
  const file = await disk.open(path.join(directory, segmentName(number)));
  try {
    const life = newLife(slot);
    await file.write([formatHeader(life)], 0);
    await file.syncData();
    return new Segment(number, life, { file, size });
  } catch (thrown) {
    await file.close().catch(() => {});
    throw thrown;
  }
}
