// Lines: cuts a byte stream at CR LF and nowhere else, with a bound; a bare CR, a bare LF or a NUL is a flaw of the line, not a guess.

/** Why a line must not be read as a command. */
export type LineFlaw = "bareLf" | "bareCr" | "nul" | "long";

export interface Line {
  /** Without CR LF; a view. Of a flawed line: empty. */
  readonly bytes: Buffer;
  readonly flaw: LineFlaw | undefined;
  /** What a flawed line began with, at most `START` bytes: enough to see what its sender may believe, never to be read as a command. */
  readonly start: Buffer;
}

const CR = 13;
const LF = 10;
const EMPTY = Buffer.alloc(0);
const START = 8;

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
  /** What an overlong line began with, when its bytes were dropped already. */
  #dropped: Buffer | undefined;
  #tainted = false;
  /** Bytes of the line being read that were dropped because it is too long already. */
  excess = 0;

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

  /** The lines that `next` will give, without taking them, up to the first one that is not complete or has a flaw. */
  *ahead(): Generator<Buffer> {
    let start = this.#at;
    for (;;) {
      const end = this.#kept.indexOf(LF, start);
      if (end < 0 || this.#tainted || this.#dropped !== undefined || end + 1 - start > this.limit) return;
      const ended = end > start && this.#kept[end - 1] === CR;
      if (!ended || this.#flawIn(start, end - 1) !== undefined) return;
      yield this.#kept.subarray(start, end - 1);
      start = end + 1;
    }
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
    const ended = end > start && this.#kept[end - 1] === CR;
    const [tainted, dropped] = [this.#tainted, this.#dropped];
    this.#tainted = !ended;
    this.#dropped = undefined;
    this.excess = 0;
    const long = dropped !== undefined || end + 1 - start > this.limit;
    const flaw = !ended || tainted ? "bareLf" : long ? "long" : this.#flawIn(start, end - 1);
    if (flaw === undefined) return { bytes: this.#kept.subarray(start, end - 1), flaw, start: EMPTY };
    return { bytes: EMPTY, flaw, start: (dropped ?? this.#kept.subarray(start, end)).subarray(0, START) };
  }

  #flawIn(start: number, end: number): LineFlaw | undefined {
    for (let at = start; at < end; at++) {
      const byte = this.#kept[at];
      if (byte === 0) return "nul";
      if (byte === CR) return "bareCr";
    }
    return undefined;
  }

  /** Nothing is left but the start of a line. Of one beyond the limit only that is kept, and the last byte, because it may be the CR of its
   * end. */
  #bound(): void {
    if (this.pending > this.limit) {
      this.#dropped ??= copy(this.#kept.subarray(this.#at, this.#at + START));
      this.excess += this.pending - 1;
      this.#at = this.#kept.length - 1;
    }
    // nothing of a large chunk stays for the sake of its last bytes
    if (this.#at > 0) this.#kept = copy(this.#kept.subarray(this.#at));
    this.#at = 0;
    this.#searched = this.#kept.length;
  }
}

/** Not in the shared pool, which it would keep alive. */
function copy(bytes: Buffer): Buffer {
  if (bytes.length === 0) return EMPTY;
  const own = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(own);
  return own;
}
