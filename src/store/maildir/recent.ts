// The record of recent deliveries of one Maildir: base names, one a line, in `kenro-delivered` and `kenro-delivered.old`
// (docs/local.md). It outlives the message files, so that a second request for a delivery finds that the first one was made.

import { codeOf } from "#base/problem.ts";
import { type Disk, type DiskFile, readWhole } from "#sys/disk.ts";
import { SyncGate } from "./syncgate.ts";

export const RECENT = "kenro-delivered";

/** At this size the record becomes the old one; two of them hold more than 1000 deliveries. */
const FULL = 64 * 1024;

interface Open {
  readonly file: DiskFile;
  readonly gate: SyncGate;
  size: number;
  users: number;
}

export class Recent {
  readonly #disk: Disk;
  readonly #directory: string;
  #open: Promise<Open> | undefined;
  #turning: Promise<void> | undefined;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  /** Writes the name (L5); the function it gives syncs it (L7) and must be called exactly once. */
  async add(base: string): Promise<() => Promise<void>> {
    await this.#turning;
    let open = await this.#current();
    if (open.size >= FULL) {
      this.#turning ??= this.#turn(open).finally(() => {
        this.#turning = undefined;
      });
      await this.#turning;
      open = await this.#current();
    }
    open.users++;
    const line = Buffer.from(`${base}\n`);
    const at = open.size;
    open.size += line.length;
    await open.file.write([line], at).catch(async (trouble: unknown) => {
      await this.#leave(open);
      throw trouble;
    });
    return async () => {
      try {
        await open.gate.pass();
      } finally {
        await this.#leave(open);
      }
    };
  }

  async has(base: string): Promise<boolean> {
    const line = `${base}\n`;
    for (const name of [RECENT, `${RECENT}.old`]) {
      const text =
        (await readWhole(this.#disk, `${this.#directory}/${name}`, 4 * FULL))?.toString("latin1") ?? "";
      if (text.startsWith(line) || text.includes(`\n${line}`)) return true;
    }
    return false;
  }

  #current(): Promise<Open> {
    this.#open ??= this.#openFile();
    const opening = this.#open;
    opening.catch(() => {
      if (this.#open === opening) this.#open = undefined;
    });
    return opening;
  }

  async #openFile(): Promise<Open> {
    const path = `${this.#directory}/${RECENT}`;
    const file = await this.#disk.open(path).catch(async (trouble: unknown) => {
      if (codeOf(trouble) !== "ENOENT") throw trouble;
      const made = await this.#disk.create(path, 0o600);
      await this.#disk.syncDirectory(this.#directory);
      return made;
    });
    return { file, gate: new SyncGate(() => file.sync()), size: await file.size(), users: 0 };
  }

  /** A full record becomes the old one. Deliveries that use it still sync it by its descriptor. */
  async #turn(full: Open): Promise<void> {
    this.#open = undefined;
    await full.gate.pass();
    await this.#disk.rename(`${this.#directory}/${RECENT}`, `${this.#directory}/${RECENT}.old`);
    await this.#disk.syncDirectory(this.#directory);
    if (full.users === 0) await full.file.close();
  }

  async #leave(open: Open): Promise<void> {
    open.users--;
    const current = this.#open && (await this.#open.catch(() => undefined));
    if (open.users === 0 && current !== open) await open.file.close();
  }

  /** Closes the file when nobody uses it; it is opened again when needed. */
  async close(): Promise<void> {
    const open = this.#open && (await this.#open.catch(() => undefined));
    this.#open = undefined;
    if (open && open.users === 0) await open.file.close();
  }
}
