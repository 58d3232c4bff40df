// Draft: the body of one message on its way in: in memory while it is small, in a file of its own when it is not (docs/queue.md I2, I3).

import path from "node:path";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import type { Disk, DiskFile } from "#sys/disk.ts";
import { bodyPath } from "./source.ts";

/** The first piece of memory a body gets; more as it grows. */
const PIECE = 4096;

/** What all drafts of a process hold in memory together. */
export interface DraftMemory {
  held: number;
}

export interface Finished {
  readonly size: number;
  /** Undefined: it is in a file, which is durable with its name (Q2). */
  readonly inline: readonly Buffer[] | undefined;
}

export class BodyDraft {
  readonly #disk: Disk;
  readonly #spool: string;
  readonly #id: string;
  readonly #memory: DraftMemory;
  #pieces: Buffer[] = [];
  /** Bytes used of the last piece. */
  #used = 0;
  #held = 0;
  #size = 0;
  #file: Promise<DiskFile> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #failed: Trouble | undefined;
  #over = false;

  constructor(spool: { readonly disk: Disk; readonly directory: string }, id: string, memory: DraftMemory) {
    this.#disk = spool.disk;
    this.#spool = spool.directory;
    this.#id = id;
    this.#memory = memory;
  }

  get size(): number {
    return this.#size;
  }

  /** The body cannot be kept; what comes now is thrown away, and `finish` says why. */
  fail(reason: Trouble): void {
    this.#failed ??= reason;
  }

  /** Takes a part; a promise when the caller should wait for the disk. Never rejects: see `finish`. */
  write(chunk: Buffer): Promise<void> | undefined {
    if (this.#over || this.#failed) return undefined;
    this.#size += chunk.length;
    if (this.#file === undefined) {
      const fits = this.#size <= limits.queue.inlineBody && this.#memory.held <= limits.queue.draftMemory;
      if (fits) return this.#gather(chunk);
      this.#file = this.#disk.create(bodyPath(this.#spool, this.#id), 0o640);
      const gathered = this.#gathered();
      this.#drop();
      return this.#append([...gathered, chunk], 0);
    }
    return this.#append([chunk], this.#size - chunk.length);
  }

  /** Ends the body. Trouble when it could not be kept; then nothing is left of it. */
  async finish(): Promise<Finished> {
    this.#over = true;
    if (this.#file === undefined) {
      if (this.#failed) {
        this.#drop();
        throw this.#failed;
      }
      const inline = this.#gathered();
      this.#drop();
      return { size: this.#size, inline };
    }
    try {
      await this.#writing;
      if (this.#failed) throw this.#failed;
      const file = await this.#file;
      await file.sync();
      await this.#disk.syncDirectory(path.join(this.#spool, "body"));
      this.#file = undefined;
      await file.close();
      return { size: this.#size, inline: undefined };
    } catch (thrown) {
      await this.#remove();
      throw Trouble.from("keep body", thrown);
    }
  }

  /** Throws the body away. */
  abort(): void {
    this.#over = true;
    this.#failed ??= new Trouble("keep body", "Aborted", { code: "aborted" });
    this.#drop();
    if (this.#file !== undefined) void this.#remove();
  }

  /** Copies: the chunk is a view into what the link read, and small views would keep much alive. */
  #gather(chunk: Buffer): undefined {
    let from = 0;
    while (from < chunk.length) {
      let piece = this.#pieces.at(-1);
      if (!piece || this.#used === piece.length) {
        piece = Buffer.allocUnsafeSlow(Math.max(PIECE, chunk.length - from, this.#held >> 1));
        this.#pieces.push(piece);
        this.#used = 0;
        this.#held += piece.length;
        this.#memory.held += piece.length;
      }
      const copied = chunk.copy(piece, this.#used, from);
      this.#used += copied;
      from += copied;
    }
  }

  #gathered(): Buffer[] {
    const last = this.#pieces.at(-1);
    return last ? [...this.#pieces.slice(0, -1), last.subarray(0, this.#used)] : [];
  }

  #drop(): void {
    this.#pieces = [];
    this.#memory.held -= this.#held;
    this.#held = 0;
  }

  #append(chunks: readonly Buffer[], position: number): Promise<void> {
    const file = this.#file;
    this.#writing = this.#writing
      .then(async () => {
        if (!this.#failed) await (await file)?.write(chunks, position);
      })
      .catch((thrown: unknown) => {
        this.#failed ??= Trouble.from("keep body", thrown);
      });
    return this.#writing;
  }

  async #remove(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await this.#writing;
    const opened = await file?.catch(() => undefined);
    await opened?.close().catch(() => {});
    // an orphan that stays is removed by the next recovery (R4)
    await this.#disk.remove(bodyPath(this.#spool, this.#id)).catch(() => false);
  }
}
