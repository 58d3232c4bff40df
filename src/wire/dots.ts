// Dots: the body after DATA. Only CR LF . CR LF ends it; leading dots are taken off; a bare CR, a bare LF or a NUL anywhere is told,
// never repaired, because two servers that repair differently see two different messages (SMTP smuggling).

/** What makes a body unacceptable; the first one found is told. */
export type BodyFlaw = "bareLf" | "bareCr" | "nul";

const CR = 13;
const LF = 10;
const DOT = 46;
const EMPTY = Buffer.alloc(0);
const LINE_DOT = Buffer.from("\r\n.");

/** Text between two dots that is shorter is copied: a view costs more, and a body of dots would make one for each of its lines. */
const SHORT = 256;

/** Short pieces are put together in blocks of this size. */
const BLOCK = 4096;

/** So far a dot is looked for byte by byte: to call indexOf costs more. */
const NEAR = 64;

/** Anything but text and CR LF. One match over a Latin-1 string takes a third of the time of a loop over the bytes. */
const UNCLEAN = /\0|\r(?!\n)|(?<!\r)\n/;

/** The first thing in a text (as Latin-1) that makes a body unacceptable; a CR at its end counts as bare. */
export function findFlaw(text: string): BodyFlaw | undefined {
  const found = UNCLEAN.exec(text)?.[0];
  return found === undefined ? undefined : found === "\0" ? "nul" : found === "\r" ? "bareCr" : "bareLf";
}

/**
 * One per body. `feed` gives the text, without the dots of the transport, to `take`, long pieces as views of the chunk; the CR LF before
 * the final dot belongs to the text. RFC 5321 §4.5.2.
 */
export class DotReader {
  /** Found in the body so far. */
  flaw: BodyFlaw | undefined;
  /** The first byte of a body is the first byte of a line: RFC 5321 §4.1.1.4. */
  #lineStart = true;
  /** The end of the last chunk that cannot be judged without the next: CR, or a dot that begins a line, or that dot and CR. */
  #held: Buffer = EMPTY;

  /** Where in the chunk the body ended (the first byte behind it), or −1 when it goes on. Not to be called after the end. */
  feed(chunk: Buffer, take: (text: Buffer) => void): number {
    const held = this.#held.length;
    const bytes = held > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    this.#held = EMPTY;
    const text = new Pieces(bytes, take);
    let start = 0;
    let dot = this.#lineStart && bytes[0] === DOT ? 0 : nextDot(bytes, 0);
    while (dot >= 0) {
      text.give(start, dot);
      const [next, afterNext] = [bytes[dot + 1], bytes[dot + 2]];
      if (next === undefined || (next === CR && afterNext === undefined)) {
        text.end();
        this.#hold(bytes, dot, true);
        return -1;
      }
      if (next === CR && afterNext === LF) {
        text.end();
        this.#check(bytes, dot);
        return dot + 3 - held;
      }
      start = dot + 1;
      dot = nextDot(bytes, start);
    }
    const end = bytes[bytes.length - 1] === CR ? bytes.length - 1 : bytes.length;
    text.give(start, end);
    text.end();
    this.#hold(bytes, end, bytes[end - 1] === LF && bytes[end - 2] === CR);
    return -1;
  }

  #hold(bytes: Buffer, from: number, lineStart: boolean): void {
    this.#check(bytes, from);
    // a copy, because a view would keep the whole chunk
    if (from < bytes.length) this.#held = Buffer.from(bytes.subarray(from));
    if (bytes.length > 0) this.#lineStart = lineStart;
  }

  #check(bytes: Buffer, end: number): void {
    this.flaw ??= findFlaw(bytes.toString("latin1", 0, end));
  }
}

/** The next dot that begins a line, from a place that is not itself one. */
function nextDot(bytes: Buffer, from: number): number {
  const near = Math.min(from + NEAR, bytes.length);
  for (let at = from + 2; at < near; at++)
    if (bytes[at] === DOT && bytes[at - 1] === LF && bytes[at - 2] === CR) return at;
  const found = bytes.indexOf(LINE_DOT, Math.max(from, near - 2));
  return found < 0 ? -1 : found + 2;
}

/** The text of one chunk, piece by piece: short ones are put together. */
class Pieces {
  readonly #bytes: Buffer;
  readonly #take: (text: Buffer) => void;
  /** Short ones, of which those before `#from` have gone. */
  #block = EMPTY;
  #from = 0;
  #to = 0;

  constructor(bytes: Buffer, take: (text: Buffer) => void) {
    this.#bytes = bytes;
    this.#take = take;
  }

  give(start: number, end: number): void {
    const bytes = this.#bytes;
    if (end <= start) return;
    if (end - start >= SHORT || (start === 0 && end === bytes.length)) {
      this.end();
      this.#take(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
      return;
    }
    if (this.#block.length - this.#to < end - start) {
      this.end();
      this.#block = Buffer.allocUnsafe(Math.min(BLOCK, bytes.length - start));
      this.#from = 0;
      this.#to = 0;
    }
    const block = this.#block;
    for (let at = start; at < end; at++) block[this.#to++] = bytes[at] ?? 0;
  }

  /** What was put together goes on. */
  end(): void {
    if (this.#to > this.#from) this.#take(this.#block.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }
}
