// Imported: which messages came into this spool by import, one id a line, so that the same export can be imported again without doubles even
// when some of its messages have left the queue since (docs/queue.md N1–N4).

import path from "node:path";
import { codeOf } from "#base/problem.ts";
import type { Disk, DiskFile } from "#sys/disk.ts";

const FILE = "imported";

interface Waiting {
  readonly id: string;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

export class Imported {
  readonly #disk: Disk;
  readonly #directory: string;
  #known: Promise<Set<string>> | undefined;
  #waiting: Waiting[] = [];
  #writing = false;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  async has(id: string): Promise<boolean> {
    return (await this.#ids()).has(id);
  }

  /** Writes it down; what comes meanwhile is written together. Resolves when it is durable. Trouble when it cannot be. */
  add(id: string): Promise<void> {
    const written = new Promise<void>((resolve, reject) => this.#waiting.push({ id, resolve, reject }));
    if (!this.#writing) void this.#write();
    return written;
  }

  #ids(): Promise<Set<string>> {
    this.#known ??= this.#read();
    return this.#known;
  }

  async #read(): Promise<Set<string>> {
    const file = await this.#disk.openRead(path.join(this.#directory, FILE));
    if (!file) return new Set();
    try {
      const bytes = Buffer.alloc(await file.size());
      let length = 0;
      for (let read = -1; read !== 0; length += read)
        read = await file.read(bytes, length, bytes.length - length, length);
      // a line that is not whole was not durable
      return new Set(bytes.toString("latin1", 0, length).split("\n").slice(0, -1));
    } finally {
      await file.close();
    }
  }

  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      try {
        await this.#append(waiting.map(({ id }) => id));
        for (const { resolve } of waiting) resolve();
      } catch (thrown) {
        for (const { reject } of waiting) reject(thrown);
      }
    }
    this.#writing = false;
  }

  async #append(ids: readonly string[]): Promise<void> {
    const known = await this.#ids();
    const file = await this.#open();
    try {
      const size = await file.size();
      // a line that a crash has torn is ended, so that it does not spoil this one
      const text = `${size > 0 ? "\n" : ""}${ids.join("\n")}\n`;
      await file.write([Buffer.from(text, "latin1")], size);
      await file.sync();
    } finally {
      await file.close();
    }
    for (const id of ids) known.add(id);
  }

  async #open(): Promise<DiskFile> {
    const at = path.join(this.#directory, FILE);
    try {
      return await this.#disk.open(at);
    } catch (thrown) {
      if (codeOf(thrown) !== "ENOENT") throw thrown;
      const file = await this.#disk.create(at, 0o640);
      await this.#disk.syncDirectory(this.#directory);
      return file;
    }
  }
}
