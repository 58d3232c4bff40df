// The journal: one writer that appends records to segments and makes many durable with one sync (docs/queue.md, Q2, Q4, Q5, Q8).

import { limits } from "#base/limits.ts";
import { messageOf, Trouble } from "#base/problem.ts";
import { createAnew, type Disk, type DiskFile } from "#sys/disk.ts";
import { type Draft, formatSegmentHeader, SEGMENT_HEADER, seal } from "./record.ts";
import { segmentPath } from "./source.ts";

export interface Written {
  readonly generation: number;
  readonly offset: number;
}

interface Pending {
  readonly draft: Draft;
  /** Written again in the next segment when this one fails; a message is refused instead. */
  readonly mustLast: boolean;
  readonly done: (where: Written) => void;
  readonly failed: (reason: Trouble) => void;
}

interface Segment {
  readonly generation: number;
  readonly file: DiskFile;
  end: number;
}

export interface JournalEvents {
  /** A write or sync failed and its segment was abandoned. */
  failed(text: string): void;
}

export interface JournalCounts {
  syncs: number;
  records: number;
}

const ZEROS = Buffer.alloc(1024 * 1024);
/** Spares kept for the next segments. */
const SPARES = 2;

export class Journal {
  readonly counts: JournalCounts = { syncs: 0, records: 0 };
  readonly #disk: Disk;
  readonly #spool: string;
  readonly #events: JournalEvents;
  readonly #segmentSize: number;
  #pending: Pending[] = [];
  #current: Segment | undefined;
  #generation: number;
  #running = false;
  #spares: string[];
  #spareCount = 0;
  #making: Promise<void> | undefined;
  #idle: (() => void)[] = [];

  /** `generation`: the largest one ever used; `spares`: files named spare.K that are there. */
  constructor(
    disk: Disk,
    spool: string,
    start: { readonly generation: number; readonly spares: readonly string[]; readonly segmentSize?: number },
    events: JournalEvents,
  ) {
    this.#disk = disk;
    this.#spool = spool;
    this.#generation = start.generation;
    this.#spares = [...start.spares];
    this.#segmentSize = start.segmentSize ?? limits.queue.segment;
    this.#events = events;
  }

  /** Largest record that fits a segment. */
  get room(): number {
    return this.#segmentSize - SEGMENT_HEADER;
  }

  /** Appends a record; resolves when it is durable. With `mustLast` it is tried until it is. */
  append(draft: Draft, mustLast = false): Promise<Written> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ draft, mustLast, done: resolve, failed: reject });
      if (this.#running) return;
      this.#running = true;
      // what arrives in this turn of the loop is one batch
      setImmediate(() => void this.#run());
    });
  }

  /** The generation being written to, or 0. */
  get generation(): number {
    return this.#current?.generation ?? 0;
  }

  /** A segment without live messages becomes a spare (Q4 is the caller's). */
  async recycle(generation: number): Promise<void> {
    const path = segmentPath(this.#spool, generation);
    if (this.#spares.length >= SPARES) {
      await this.#disk.remove(path);
      return;
    }
    const spare = `${this.#spool}/journal/spare.${this.#nextSpare()}`;
    await this.#disk.rename(path, spare);
    this.#spares.push(spare);
  }

  /** Resolves when nothing is waiting to be written. */
  drained(): Promise<void> {
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  async close(): Promise<void> {
    await this.drained();
    await this.#making;
    await this.#current?.file.close();
  }

  async #run(): Promise<void> {
    while (this.#pending.length > 0) {
      let batch: Pending[] = [];
      try {
        const segment = await this.#segment(this.#pending[0]?.draft.size ?? 0);
        batch = this.#take(segment);
        await this.#write(segment, batch);
      } catch (thrown) {
        await this.#fail(batch.length > 0 ? batch : this.#pending.splice(0), Trouble.from("write the journal", thrown));
      }
    }
    this.#running = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** As many as fit the segment and one write. */
  #take(segment: Segment): Pending[] {
    let size = 0;
    let count = 0;
    for (const { draft } of this.#pending) {
      const sum = size + draft.size;
      if (count > 0 && (sum > limits.queue.batch || segment.end + sum > this.#segmentSize)) break;
      size = sum;
      count++;
    }
    return this.#pending.splice(0, count);
  }

  async #write(segment: Segment, batch: readonly Pending[]): Promise<void> {
    const chunks: Buffer[] = [];
    const places: number[] = [];
    let end = segment.end;
    for (const { draft } of batch) {
      seal(draft, segment.generation);
      chunks.push(...draft.parts);
      places.push(end);
      end += draft.size;
    }
    await segment.file.write(chunks, segment.end);
    await segment.file.syncData();
    segment.end = end;
    this.counts.syncs++;
    this.counts.records += batch.length;
    for (const [at, { done }] of batch.entries()) done({ generation: segment.generation, offset: places[at] ?? 0 });
    if (end > this.#segmentSize / 2 && this.#spares.length === 0) void this.#makeSpare().catch(() => {
      // tried again when it is needed
    });
  }

  /** Q8. */
  async #fail(batch: readonly Pending[], reason: Trouble): Promise<void> {
    this.#events.failed(messageOf(reason));
    const abandoned = this.#current;
    this.#current = undefined;
    await abandoned?.file.close().catch(() => {
      // whatever is wrong with it, we are done with it
    });
    const again = batch.filter(({ mustLast }) => mustLast);
    for (const { mustLast, failed } of batch) if (!mustLast) failed(reason);
    this.#pending.unshift(...again);
    // a disk that fails at once would keep us busy for ever
    if (again.length > 0) await new Promise((resolve) => setTimeout(resolve, 1000));
  }

  /** The segment to write to, a new one when the current one has no room for `size` bytes. */
  async #segment(size: number): Promise<Segment> {
    const current = this.#current;
    if (current && current.end + size <= this.#segmentSize) return current;
    await this.#making?.catch(() => {
      // tried again below
    });
    if (this.#spares.length === 0) await this.#makeSpare();
    const spare = this.#spares.shift() ?? "";
    const generation = ++this.#generation;
    const file = await this.#disk.open(spare);
    await file.write([formatSegmentHeader(generation)], 0);
    await file.sync();
    await this.#disk.rename(spare, segmentPath(this.#spool, generation));
    await this.#disk.syncDirectory(`${this.#spool}/journal`);
    await current?.file.close();
    this.#current = { generation, file, end: SEGMENT_HEADER };
    return this.#current;
  }

  #makeSpare(): Promise<void> {
    this.#making ??= this.#preallocate().finally(() => {
      this.#making = undefined;
    });
    return this.#making;
  }

  async #preallocate(): Promise<void> {
    const path = `${this.#spool}/journal/spare.${this.#nextSpare()}`;
    const file = await createAnew(this.#disk, path, 0o640);
    try {
      for (let at = 0; at < this.#segmentSize; at += ZEROS.length) {
        await file.write([ZEROS.subarray(0, Math.min(ZEROS.length, this.#segmentSize - at))], at);
      }
      await file.sync();
    } catch (trouble) {
      await this.#disk.remove(path).catch(() => {
        // a leftover spare is used or removed at the next start
      });
      throw trouble;
    } finally {
      await file.close();
    }
    this.#spares.push(path);
  }

  #nextSpare(): string {
    return `${this.#generation}-${++this.#spareCount}`;
  }
}
