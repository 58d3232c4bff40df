// Gathered syncs: few at a time are made each for its own file; many together are one syncfs(2) of the whole file system. A sync of one file
// costs 65 µs of this thread and a flush of the disk's cache; a delivery needs four, and hundreds of deliveries wait at the same time
// (docs/decisions/0009-syncfs.md).

import { dirname } from "node:path";
import { type Clock, pause } from "#base/clock.ts";
import type { Disk, DiskFile } from "./disk.ts";

/** Makes everything that was written to a file system durable. Rejects when that failed, or it cannot be done here. */
export interface WholeSync {
  run(): Promise<void>;
}

export interface GatheredOptions {
  readonly clock: Clock;
  /** A path on the file system that `whole` syncs. */
  readonly at: string;
  readonly whole: WholeSync;
  /** A sync of the whole failed, and each file is synced for itself instead. */
  readonly trouble: (thrown: unknown) => void;
}

/** So many are synced each for itself: the program that calls syncfs(2) costs as much. */
const FEW = 8;

/** When a sync of the whole has failed, it is not tried again for so long, ms. */
const AGAIN = 60_000;

/** Between the beginnings of two syncs of the whole, ms: who comes meanwhile shares the next one. */
const APART = 15;

interface Request {
  /** Syncs this one alone. */
  readonly own: () => Promise<void>;
  /** Failures of the whole before the file was opened. */
  readonly since: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

class Gatherer {
  /** Syncs of the whole that failed. The kernel tells of a page that it could not write to one of those who ask for the whole; whose page it was
   * learns of it only by a sync of its own file. */
  failures = 0;
  readonly #options: GatheredOptions;
  #waiting: Request[] = [];
  #working = false;
  #last = Number.NEGATIVE_INFINITY;
  /** Not before. */
  #again = Number.NEGATIVE_INFINITY;

  constructor(options: GatheredOptions) {
    this.#options = options;
  }

  /** Resolves when what was done before this call is durable. */
  sync(own: () => Promise<void>, since: number = this.failures): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ own, since, resolve, reject });
      if (!this.#working) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#working = true;
    while (this.#waiting.length > 0) {
      const { clock } = this.#options;
      const early = this.#last + APART - clock.monotonic();
      if (early > 0) await pause(clock, early);
      const batch = this.#waiting;
      this.#waiting = [];
      if (batch.length <= FEW || clock.monotonic() < this.#again) await Promise.all(batch.map(forItself));
      else await this.#together(batch);
    }
    this.#working = false;
  }

  async #together(batch: readonly Request[]): Promise<void> {
    const { clock, whole, trouble } = this.#options;
    this.#last = clock.monotonic();
    const failed = await whole.run().then(
      () => false,
      (thrown: unknown) => {
        this.failures++;
        this.#again = clock.monotonic() + AGAIN;
        trouble(thrown);
        return true;
      },
    );
    const suspect = (request: Request) => failed || request.since < this.failures;
    for (const each of batch) if (!suspect(each)) each.resolve();
    await Promise.all(batch.filter(suspect).map(forItself));
  }
}

const forItself = ({ own, resolve, reject }: Request): Promise<void> => own().then(resolve, reject);

class GatheredFile implements DiskFile {
  readonly #file: DiskFile;
  readonly #gatherer: Gatherer;
  readonly #since: number;

  constructor(file: DiskFile, gatherer: Gatherer) {
    this.#file = file;
    this.#gatherer = gatherer;
    this.#since = gatherer.failures;
  }

  read(into: Buffer, offset: number, length: number, position: number): Promise<number> {
    return this.#file.read(into, offset, length, position);
  }

  write(chunks: readonly Buffer[], position: number): Promise<void> {
    return this.#file.write(chunks, position);
  }

  syncData(): Promise<void> {
    return this.#gatherer.sync(() => this.#file.syncData(), this.#since);
  }

  sync(): Promise<void> {
    return this.#gatherer.sync(() => this.#file.sync(), this.#since);
  }

  truncate(size: number): Promise<void> {
    return this.#file.truncate(size);
  }

  size(): Promise<number> {
    return this.#file.size();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** As `disk`. What lies on another file system than `at` (a mount below it) is synced for itself. */
export function gatheredSyncs(disk: Disk, options: GatheredOptions): Disk {
  const gatherer = new Gatherer(options);
  const deviceOf = async (path: string) => (await disk.stat(path))?.device;
  let device: Promise<number | undefined> | undefined;
  const isThere = async (directory: string) => {
    const found = await deviceOf(directory);
    return found !== undefined && found === (await (device ??= deviceOf(options.at)));
  };
  const gathered = async (path: string, file: DiskFile) =>
    (await isThere(dirname(path))) ? new GatheredFile(file, gatherer) : file;
  return {
    ...disk,
    create: async (path, mode) => gathered(path, await disk.create(path, mode)),
    open: async (path) => gathered(path, await disk.open(path)),
    syncDirectory: async (path) =>
      (await isThere(path)) ? gatherer.sync(() => disk.syncDirectory(path)) : disk.syncDirectory(path),
  };
}
