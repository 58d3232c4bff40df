// Memory: the file behind the tables: a snapshot, and then every change, gathered for a moment and synced (docs/ledger.md).
// A disk that refuses stops nobody: the tables live in memory, and a new file is begun when the disk lets us.

import path from "node:path";
import type { Clock, Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import { read } from "#base/shape.ts";
import { createAnew, type Disk, type DiskFile } from "#sys/disk.ts";
import {
  type Entry,
  formatHeader,
  HEADER,
  parseHeader,
  RecordReader,
  RecordWriter,
  SNAPSHOT_END,
} from "./record.ts";
import type { AnyTable } from "./table.ts";

export interface MemoryOptions {
  readonly disk: Disk;
  /** It is there. */
  readonly directory: string;
  readonly clock: Clock;
  readonly tables: readonly AnyTable[];
  /** The disk refused, told once until it takes something again. */
  readonly trouble: (reason: Trouble) => void;
  /** Bytes of changes at which a new file is begun; less in tests. */
  readonly changes?: number;
}

export interface Recovered {
  readonly records: number;
  /** Bytes at the end that could not be read. */
  readonly dropped: number;
}

interface Open {
  readonly number: number;
  readonly file: DiskFile;
  readonly writer: RecordWriter;
  position: number;
  /** Where the snapshot ended. */
  readonly snapshot: number;
}

/** Entries written at a time: other questions are answered in between. */
const SLICE = 25;
const CHUNK = 1 << 20;
const NAME = /^memory\.(\d{1,15})$/;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class MemoryFile {
  readonly #options: MemoryOptions;
  #open: Open | undefined;
  /** The greatest number of a file so far. */
  #number: number;
  #timer: Timer | undefined;
  /** One thing at a time happens to the file. */
  #work: Promise<unknown> = Promise.resolve();
  #refused = false;
  #closed = false;

  private constructor(options: MemoryOptions, number: number) {
    this.#options = options;
    this.#number = number;
  }

  /** Reads what there is into the tables and goes on from there in a file of its own. Rejects only when the directory cannot be read. */
  static async open(options: MemoryOptions): Promise<{ memory: MemoryFile; recovered: Recovered }> {
    const numbers = (await options.disk.list(options.directory))
      .flatMap((name) => NAME.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => b - a);
    const memory = new MemoryFile(options, numbers[0] ?? 0);
    let recovered: Recovered = { records: 0, dropped: 0 };
    for (const number of numbers) {
      const found = await memory.#load(number).catch((thrown: unknown) => memory.#tell(thrown));
      if (!found) continue;
      recovered = found;
      break;
    }
    await memory.#run(() => memory.#snapshot()).catch((thrown: unknown) => memory.#later(thrown));
    for (const table of options.tables) table.changed = () => memory.#soon(limits.ledger.gather);
    return { memory, recovered };
  }

  /** Resolves when every change so far is on disk; Trouble when the disk refuses. */
  flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    return this.#run(() => this.#write());
  }

  /** Writes what is left and closes. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.flush().catch((thrown: unknown) => this.#tell(thrown));
    await this.#open?.file.close().catch(() => {});
  }

  #run<T>(step: () => Promise<T>): Promise<T> {
    const done = this.#work.then(step);
    this.#work = done.catch(() => {});
    return done;
  }

  #soon(ms: number): void {
    if (this.#closed) return;
    this.#timer ??= this.#options.clock.after(ms, () => {
      this.#timer = undefined;
      this.#run(() => this.#write()).catch((thrown: unknown) => this.#later(thrown));
    });
  }

  #later(thrown: unknown): void {
    this.#tell(thrown);
    this.#soon(limits.ledger.retry);
  }

  #tell(thrown: unknown): undefined {
    if (!this.#refused) this.#options.trouble(Trouble.from("write the ledger", thrown));
    this.#refused = true;
  }

  #path(number: number): string {
    return path.join(this.#options.directory, `memory.${number}`);
  }

  // ---- writing ----

  async #write(): Promise<void> {
    // without a file, everything is written anew
    if (!this.#open) return this.#snapshot();
    const open = this.#open;
    const before = open.position;
    const taken: { readonly table: AnyTable; readonly keys: readonly string[] }[] = [];
    try {
      for (const table of this.#options.tables) {
        // what changes while we write goes with the next time
        for (let left = table.dirty; left > 0; left -= SLICE) {
          const changed = table.takeChanged(Math.min(left, SLICE));
          if (changed.length === 0) break;
          taken.push({ table, keys: changed.map(([key]) => key) });
          await this.#append(
            open,
            changed.map(([key, value]) => open.writer.format(entryOf(table, key, value))),
          );
          await turn();
        }
      }
      if (open.position === before) return;
      await open.file.sync();
    } catch (thrown) {
      for (const { table, keys } of taken) table.giveBack(keys);
      // what is in the file is unknown now
      this.#open = undefined;
      await open.file.close().catch(() => {});
      throw thrown;
    }
    const { changes = limits.ledger.changes } = this.#options;
    if (open.position - open.snapshot >= Math.max(changes, open.snapshot)) await this.#snapshot();
    this.#refused = false;
  }

  async #append(
    open: { readonly file: DiskFile; position: number },
    records: readonly Buffer[],
  ): Promise<void> {
    const bytes = Buffer.concat(records);
    await open.file.write([bytes], open.position);
    open.position += bytes.length;
  }

  /** Begins a file with all there is; the one before goes when it is durable. */
  async #snapshot(): Promise<void> {
    const { disk, directory, tables } = this.#options;
    const number = ++this.#number;
    const beside = `${this.#path(number)}.new`;
    const file = await createAnew(disk, beside, 0o600);
    const open = { file, position: HEADER };
    const writer = new RecordWriter(number);
    try {
      for (const table of tables) {
        // what changes from here on is written behind the snapshot
        table.forgetChanged();
        await this.#writeTable(table, open, writer);
      }
      await this.#append(open, [writer.format(SNAPSHOT_END)]);
      await file.write([formatHeader(number)], 0);
      await file.sync();
      await disk.rename(beside, this.#path(number));
      await disk.syncDirectory(directory);
    } catch (thrown) {
      await file.close().catch(() => {});
      await disk.remove(beside).catch(() => false);
      // half of it may be durable, and the changes of the tables are taken: the next try writes all again
      const before = this.#open;
      this.#open = undefined;
      await before?.file.close().catch(() => {});
      throw thrown;
    }
    const before = this.#open;
    this.#open = { number, file, writer, position: open.position, snapshot: open.position };
    this.#refused = false;
    await before?.file.close().catch(() => {});
    await this.#removeBefore(number);
  }

  async #writeTable(
    table: AnyTable,
    open: { readonly file: DiskFile; position: number },
    writer: RecordWriter,
  ): Promise<void> {
    const keys = table.keys();
    for (let at = 0; at < keys.length; at += SLICE) {
      const living = table.living(keys.slice(at, at + SLICE), this.#options.clock.now());
      if (living.length > 0)
        await this.#append(
          open,
          living.map(([key, value]) => writer.format(entryOf(table, key, value))),
        );
      await turn();
    }
  }

  async #removeBefore(number: number): Promise<void> {
    const { disk, directory } = this.#options;
    for (const name of await disk.list(directory)) {
      const found = /^memory\.(\d{1,15})(?:\.new)?$/.exec(name);
      if (found && Number(found[1]) < number)
        await disk.remove(path.join(directory, name)).catch(() => false);
    }
  }

  // ---- reading ----

  /** Undefined: there is nothing in it. */
  async #load(number: number): Promise<Recovered | undefined> {
    const file = await this.#options.disk.openRead(this.#path(number));
    if (!file) return undefined;
    try {
      const size = await file.size();
      const head = Buffer.alloc(HEADER);
      await file.read(head, 0, HEADER, 0);
      const generation = parseHeader(head);
      if (generation === undefined) return undefined;
      return await this.#readRecords(file, size, generation);
    } finally {
      await file.close();
    }
  }

  async #readRecords(file: DiskFile, size: number, generation: number): Promise<Recovered> {
    const byName = new Map(this.#options.tables.map((table) => [table.options.name, table]));
    const reader = new RecordReader(generation);
    let records = 0;
    const chunk = Buffer.allocUnsafe(CHUNK);
    for (let at = HEADER; at < size && !reader.damaged; ) {
      const got = await file.read(chunk, 0, CHUNK, at);
      if (got === 0) break;
      at += got;
      for (const entry of reader.feed(chunk.subarray(0, got))) {
        restore(byName.get(entry.table), entry);
        records++;
      }
    }
    return { records, dropped: size - HEADER - reader.good };
  }
}

const entryOf = (table: AnyTable, key: string, value: unknown): Entry => ({
  table: table.options.name,
  key,
  value: value ?? null,
});

/** What a later or an earlier version has written is passed by. */
function restore(table: AnyTable | undefined, { key, value }: Entry): void {
  if (!table) return;
  if (value === null) return table.restore(key, undefined);
  const shaped = read(table.options.shape, value);
  if (shaped.ok) table.restore(key, shaped.value);
}
