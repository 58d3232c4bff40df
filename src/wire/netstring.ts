// Netstrings (D. J. Bernstein, 1997): "LENGTH:BYTES,". Written whole or in pieces, read from a stream without holding long ones in memory.

/** What begins a netstring of so many bytes; the bytes and "," follow. */
export const netstringStart = (length: number): Buffer => Buffer.from(`${length}:`);

export const NETSTRING_END = Buffer.from(",");

export const netstring = (bytes: Buffer): Buffer =>
  Buffer.concat([netstringStart(bytes.length), bytes, NETSTRING_END]);

/** The stream is none of netstrings, or ends in the middle of one. */
export class NotNetstring extends Error {}

/** Digits of a length: 10 GB less one byte at most. */
const DIGITS = 10;

export class NetstringReader {
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

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
    for (;;) {
      const colon = this.#rest.subarray(0, DIGITS + 1).indexOf(0x3a);
      if (colon >= 0) {
        const digits = this.#take(colon + 1).toString("latin1", 0, colon);
        if (/^(?:0|[1-9]\d*)$/.test(digits)) return Number(digits);
        throw new NotNetstring("a length is no number");
      }
      if (this.#rest.length > DIGITS) throw new NotNetstring("a length is no number");
      if (!(await this.#more())) {
        if (mayEnd && this.#rest.length === 0) return undefined;
        throw new NotNetstring("it is cut off");
      }
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
