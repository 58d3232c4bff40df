// A file without a name, for as long as it is needed: a message that programs read from its start, one after the other.

import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Trouble } from "#base/problem.ts";

const CHUNK = 64 * 1024;

export class Scratch implements Disposable {
  readonly #fd: number;
  #size = 0;

  /** Trouble when the system has no room for it. */
  constructor(directory: string = tmpdir()) {
    const at = path.join(directory, `kenro-${randomBytes(12).toString("hex")}`);
    try {
      this.#fd = fs.openSync(at, "wx+", 0o600);
      fs.unlinkSync(at);
    } catch (thrown) {
      throw Trouble.from("make a temporary file", thrown);
    }
  }

  get size(): number {
    return this.#size;
  }

  /** Appends. */
  write(bytes: Buffer): void {
    try {
      for (let done = 0; done < bytes.length; )
        done += fs.writeSync(this.#fd, bytes, done, bytes.length - done, this.#size + done);
      this.#size += bytes.length;
    } catch (thrown) {
      throw Trouble.from("write a temporary file", thrown);
    }
  }

  /** The first bytes, at most so many. */
  start(most: number): Buffer {
    const bytes = Buffer.allocUnsafe(Math.min(most, this.#size));
    const length = fs.readSync(this.#fd, bytes, 0, bytes.length, 0);
    return bytes.subarray(0, length);
  }

  /** All of it, from its start. */
  async *chunks(): AsyncGenerator<Buffer> {
    for (let at = 0; at < this.#size; ) {
      const bytes = Buffer.allocUnsafe(Math.min(CHUNK, this.#size - at));
      const length = fs.readSync(this.#fd, bytes, 0, bytes.length, at);
      if (length === 0) throw new Trouble("read a temporary file", "The temporary file is too short");
      at += length;
      yield bytes.subarray(0, length);
    }
  }

  /** Another descriptor of it that can only be read, at its start; whoever asks for it closes it. */
  reader(): number {
    try {
      return fs.openSync(`/proc/self/fd/${this.#fd}`, "r");
    } catch (thrown) {
      throw Trouble.from("open a temporary file again", thrown);
    }
  }

  [Symbol.dispose](): void {
    fs.closeSync(this.#fd);
  }
}
