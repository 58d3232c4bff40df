// Lines: cuts a byte stream at CR LF and nowhere else, with a bound; a bare CR, a bare LF or a NUL is a flaw of the line, not a guess.

/** Why a line must not be read as a command. */
export type LineFlaw = "bareLf" | "bareCr" | "nul" | "long";

export interface Line {
  /** Without CR LF; a view. Of a flawed line: empty. */
  readonly bytes: Buffer;
  readonly flaw: LineFlaw | undefined;
}

const CR = 13;
const LF = 10;
const EMPTY = Buffer.alloc(0);

/**
 * One per connection: `push` what arrived, take lines with `next` until it has none, `rest` where the stream stops being lines.
 * A bare LF gives a flawed line at once, so that a client that ends lines with LF hears of it; and everything from there to the
 * next CR LF is flawed too, so that nothing somebody smuggled behind a bare LF is ever read as a command.
 */
export class LineReader {
  /** Longest line, with its CR LF. May be changed between lines. */
  limit: number;
  #kept: Buffer = EMPTY;
  /** Start of the line being read, and up to where it has been searched for its end. */
  #at = 0;
  #searched = 0;
  /** Bytes of an overlong line that were dropped already. */
  #dropped = false;
  #tainted = false;

  constructor(limit: number) {
    this.limit = limit;
  }

  push(chunk: Buffer): void {
    if (this.#at === this.#kept.length) {
      this.#kept = chunk;
      this.#searched = 0;
    } else {
      this.#searched -= this.#at;
      this.#kept = Buffer.concat([this.#kept.subarray(this.#at), chunk]);
    }
    this.#at = 0;
  }

  /** The next line that is complete, or undefined. */
  next(): Line | undefined {
    const end = this.#kept.indexOf(LF, this.#searched);
    if (end < 0) {
      this.#bound();
      return undefined;
    }
    const start = this.#at;
    this.#at = end + 1;
    this.#searched = end + 1;
    return this.#cut(start, end);
  }

  /** Takes out what has not been read as lines: a body or literal follows, or it has to be thrown away. */
  rest(): Buffer {
    const rest = this.#kept.subarray(this.#at);
    this.#kept = EMPTY;
    this.#at = 0;
    this.#searched = 0;
    return rest;
  }

  /** Bytes that have been pushed and not been taken. */
  get pending(): number {
    return this.#kept.length - this.#at;
  }

  #cut(start: number, end: number): Line {
    const long = this.#dropped || end + 1 - start > this.limit;
    this.#dropped = false;
    const ended = end > start && this.#kept[end - 1] === CR;
    const tainted = this.#tainted;
    this.#tainted = !ended;
    if (!ended || tainted) return { bytes: EMPTY, flaw: "bareLf" };
    if (long) return { bytes: EMPTY, flaw: "long" };
    for (let at = start; at < end - 1; at++) {
      const byte = this.#kept[at];
      if (byte === 0) return { bytes: EMPTY, flaw: "nul" };
      if (byte === CR) return { bytes: EMPTY, flaw: "bareCr" };
    }
    return { bytes: this.#kept.subarray(start, end - 1), flaw: undefined };
  }

  /** Of a line beyond the limit only the last byte is kept, because it may be the CR of its end. */
  #bound(): void {
    this.#searched = this.#kept.length;
    if (this.pending <= this.limit) return;
    this.#dropped = true;
    this.#kept = Buffer.from(this.#kept.subarray(-1));
    this.#at = 0;
    this.#searched = 1;
  }
}
