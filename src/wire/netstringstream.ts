// Netstrings (wire/netstring.ts) from a stream, without holding long ones in memory.

import { LengthReader } from "./netstring.ts";

/** The stream is none of netstrings, or ends in the middle of one. */
export class NotNetstring extends Error {}

/** Longer than any file; its digits are all that is read of a length that is none. */
const LONGEST = 10 ** 10;

const NOTHING = Buffer.alloc(0);

export class NetstringReader {
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer = NOTHING;

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** A line that stands before the first netstring, without its end; at most `most` bytes. */
  async line(most: number): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf(0x0a);
      if (end > most || (end < 0 && this.#rest.length > most))
        throw new NotNetstring("the first line is too long");
      if (end >= 0)
        return this.#take(end + 1)
          .toString()
          .trimEnd();
      await this.#fill();
    }
  }

  /** The next one as a whole; undefined at the end of the stream. */
  async whole(most: number): Promise<Buffer | undefined> {
    const length = await this.#length(true);
    if (length === undefined) return undefined;
    if (length > most) throw new NotNetstring(`a part of ${length} bytes is longer than it may be`);
    while (this.#rest.length < length + 1) await this.#fill();
    const bytes = Buffer.from(this.#take(length));
    this.#comma();
    return bytes;
  }

  /** The length of the next one, and its bytes, which must be read to their end. */
  async streamed(): Promise<{ readonly length: number; readonly chunks: AsyncIterable<Buffer> }> {
    const length = (await this.#length(false)) ?? 0;
    return { length, chunks: this.#chunks(length) };
  }

  async *#chunks(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0; ) {
      if (this.#rest.length === 0) await this.#fill();
      const chunk = this.#take(Math.min(left, this.#rest.length));
      left -= chunk.length;
      yield chunk;
    }
    if (this.#rest.length === 0) await this.#fill();
    this.#comma();
  }

  async #length(mayEnd: boolean): Promise<number | undefined> {
    const lengths = new LengthReader();
    for (let begun = false; ; begun = true) {
      const head = lengths.feed(this.#rest, 0, LONGEST);
      if (head.kind === "flaw") throw new NotNetstring("a length is no number");
      if (head.kind === "length") {
        this.#take(head.end);
        return head.length;
      }
      begun ||= this.#rest.length > 0;
      this.#rest = NOTHING;
      if (await this.#more()) continue;
      if (mayEnd && !begun) return undefined;
      throw new NotNetstring("it is cut off");
    }
  }

  #take(length: number): Buffer {
    const bytes = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return bytes;
  }

  #comma(): void {
    if (this.#take(1)[0] !== 0x2c) throw new NotNetstring("a part has another length than it says");
  }

  async #fill(): Promise<void> {
    if (!(await this.#more())) throw new NotNetstring("it is cut off");
  }

  async #more(): Promise<boolean> {
    const next = await this.#source.next();
    if (next.done) return false;
    this.#rest = this.#rest.length === 0 ? next.value : Buffer.concat([this.#rest, next.value]);
    return true;
  }
}
