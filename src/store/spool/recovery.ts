// Recovery: reads the spool once at start: which messages live, where, and how far they are (docs/queue.md R1–R4).

import path from "node:path";
import { codeOf } from "#base/problem.ts";
import type { Disk, DiskFile } from "#sys/disk.ts";
import { FIRST, formatHeader, type Life, parseHeader, RECORD_HEADER, segmentNumber } from "./record.ts";
import { Replay } from "./replay.ts";
import { scanSegment, scanWindow } from "./scan.ts";
import type { Shelf } from "./shelf.ts";

export interface FoundSegment {
  readonly number: number;
  readonly life: Life;
  readonly size: number;
}

export interface Recovered {
  /** In no particular order. Whoever works on them from now on takes the shelf over. */
  readonly messages: Shelf;
  /** Ids of live messages that were imported. */
  readonly imported: readonly string[];
  /** In the order of their generations. */
  readonly segments: readonly FoundSegment[];
  /** The greatest number of a segment file, readable or not; -1 when there is none. */
  readonly lastNumber: number;
  readonly lastGeneration: number;
  /** The greatest prefix of an id that may have been given (Q8). */
  readonly lastPrefix: number;
}

export interface SpoolLocation {
  readonly disk: Disk;
  /** The spool directory. */
  readonly directory: string;
}

/** Reads the spool; `damage` hears of each file in spool/damaged/ that is made. Trouble when the disk cannot be read. */
export async function recover(spool: SpoolLocation, damage: (file: string) => void): Promise<Recovered> {
  const reader = new Reader(spool, damage);
  await reader.read();
  await removeOrphans(spool, reader.messages);
  return reader;
}

class Reader implements Recovered {
  readonly #replay = new Replay();
  segments: FoundSegment[] = [];
  lastNumber = -1;
  lastGeneration = 0;
  /** The greatest one in a segment's header. */
  #floor = 0;
  readonly #spool: SpoolLocation;
  readonly #damage: (file: string) => void;
  readonly #journal: string;

  constructor(spool: SpoolLocation, damage: (file: string) => void) {
    this.#spool = spool;
    this.#damage = damage;
    this.#journal = path.join(spool.directory, "journal");
  }

  get messages(): Shelf {
    return this.#replay.messages;
  }

  get imported(): readonly string[] {
    const { imported, messages } = this.#replay;
    return [...imported].filter((id) => messages.slotOf(id) !== undefined);
  }

  get lastPrefix(): number {
    return Math.max(this.#floor, this.#replay.lastPrefix);
  }

  async read(): Promise<void> {
    const { disk } = this.#spool;
    for (const name of await disk.list(this.#journal)) {
      const number = segmentNumber(name);
      if (number !== undefined) await this.#header(name, number);
    }
    await disk.syncDirectory(this.#journal);
    this.segments.sort((a, b) => a.life.generation - b.life.generation);
    const window = scanWindow(this.segments.reduce((most, { size }) => Math.max(most, size), 0));
    for (const segment of this.segments) await this.#scan(segment, window);
  }

  async #open(name: string): Promise<DiskFile> {
    return this.#spool.disk.open(path.join(this.#journal, name));
  }

  async #header(name: string, number: number): Promise<void> {
    this.lastNumber = Math.max(this.lastNumber, number);
    const file = await this.#open(name);
    try {
      const bytes = Buffer.alloc(FIRST);
      await file.read(bytes, 0, FIRST, 0);
      const life = parseHeader(bytes);
      if (!life) return await this.#headless(name, file);
      await settleHeader(file, life, bytes);
      this.lastGeneration = Math.max(this.lastGeneration, life.generation);
      this.#floor = Math.max(this.#floor, life.floor);
      this.segments.push({ number, life, size: await file.size() });
    } finally {
      await file.close();
    }
  }

  /** R3: nothing in it: its making was interrupted. Otherwise it is evidence. */
  async #headless(name: string, file: DiskFile): Promise<void> {
    const { disk, directory } = this.#spool;
    const at = path.join(this.#journal, name);
    const start = Buffer.alloc(RECORD_HEADER);
    await file.read(start, 0, start.length, FIRST);
    if (start.every((byte) => byte === 0)) {
      await disk.remove(at);
      return disk.syncDirectory(this.#journal);
    }
    const aside = path.join("damaged", name);
    await disk.makeDirectory(path.join(directory, "damaged"), 0o750);
    await disk.rename(at, path.join(directory, aside));
    await disk.syncDirectory(path.join(directory, "damaged"));
    await disk.syncDirectory(this.#journal);
    this.#damage(aside);
  }

  async #scan(segment: FoundSegment, window: Buffer): Promise<void> {
    const file = await this.#open(path.basename(this.#name(segment)));
    const bad: (readonly [number, number])[] = [];
    try {
      await scanSegment(
        file,
        segment.life,
        {
          record: (bytes, at) => {
            if (!this.#replay.take(segment, bytes, at)) bad.push([at, at + bytes.length]);
          },
          damage: (from, to) => bad.push([from, to]),
        },
        window,
      );
      for (const [from, to] of bad) await this.#setAside(segment, file, [from, to]);
    } finally {
      await file.close();
    }
  }

  #name(segment: FoundSegment): string {
    return `${String(segment.number).padStart(10, "0")}.seg`;
  }

  /** Copies damaged bytes to where a human can look at them; once, however often we start. */
  async #setAside(
    segment: FoundSegment,
    from: DiskFile,
    [start, end]: readonly [number, number],
  ): Promise<void> {
    const { disk, directory } = this.#spool;
    const name = path.join("damaged", `${segment.number}-${segment.life.generation}-${start}.part`);
    await disk.makeDirectory(path.join(directory, "damaged"), 0o750);
    try {
      const file = await disk.create(path.join(directory, name), 0o640);
      try {
        const bytes = Buffer.allocUnsafe(64 * 1024);
        for (let at = start; at < end; ) {
          const length = await from.read(bytes, 0, Math.min(bytes.length, end - at), at);
          if (length === 0) break;
          await file.write([bytes.subarray(0, length)], at - start);
          at += length;
        }
        await file.sync();
      } finally {
        await file.close();
      }
      await disk.syncDirectory(path.join(directory, "damaged"));
      this.#damage(name);
    } catch (thrown) {
      // EEXIST: set aside by an earlier start. ENOSPC: a copy for humans is not worth keeping mail from moving; the original is still there
      if (codeOf(thrown) !== "EEXIST") this.#damage(`journal/${this.#name(segment)}`);
    }
  }
}

/**
 * Makes what can be read durable (Q12). A copy of the header that tells of another life is replaced: were it the only one left
 * after damage to the other, it would bring back records that have long been settled elsewhere (Q6).
 */
async function settleHeader(file: DiskFile, life: Life, bytes: Buffer): Promise<void> {
  const header = formatHeader(life);
  if (!bytes.equals(header)) await file.write([header], 0);
  await file.sync();
}

/** R4 */
async function removeOrphans(spool: SpoolLocation, messages: Shelf): Promise<void> {
  const bodies = path.join(spool.directory, "body");
  for (const name of await spool.disk.list(bodies)) {
    if (!messages.get(name)?.head.file) await spool.disk.remove(path.join(bodies, name));
  }
}
