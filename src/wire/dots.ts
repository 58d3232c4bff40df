// Dots: the body after DATA. Only CR LF . CR LF ends it; leading dots are taken off; a bare CR, a bare LF or a NUL anywhere is told,
// never repaired, because two servers that repair differently see two different messages (SMTP smuggling).

/** What makes a body unacceptable; the first one found is told. */
export type BodyFlaw = "bareLf" | "bareCr" | "nul";

/** What was just seen, at the border of two chunks. */
type Seen =
  /** CR LF, or nothing yet: the first byte of a body is the first byte of a line (RFC 5321 §4.1.1.4). */
  | "line"
  /** Anything that needs no memory. */
  | "text"
  /** CR */
  | "textCr"
  /** a dot that begins a line; it has not been given out */
  | "dot"
  /** such a dot, and CR */
  | "dotCr";

const CR = 13;
const LF = 10;
const DOT = 46;

/** Anything but text and CR LF. One pass over a Latin-1 string is three times as fast as a loop over the bytes. */
const UNCLEAN = /\0|\r(?!\n)|(?<!\r)\n/;

const LINE_DOT = Buffer.from("\r\n.");
const CRLF = Buffer.from("\r\n");

/**
 * One per body. `feed` gives the text, without the dots of the transport, to `take` as views of the chunk; CR LF before the final
 * dot belongs to the text. RFC 5321 §4.5.2.
 */
export class DotReader {
  /** Found in what was fed so far (up to the end of the chunk, also behind the end of the body). */
  flaw: BodyFlaw | undefined;
  #seen: Seen = "line";

  /** Where in the chunk the body ended (the first byte behind it), or −1 when it goes on. After the end: never again. */
  feed(chunk: Buffer, take: (text: Buffer) => void): number {
    if (chunk.length === 0) return -1;
    let at = 0;
    if (this.#seen !== "text") {
      const after = this.#resume(chunk, take);
      if (after < 0) return ~after;
      at = after;
    }
    return this.#run(chunk, at, take);
  }

  /** Settles what the last chunk left open. The place to go on from, or ~place when the body ended there. */
  // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: one machine of four states; each is a few lines
  #resume(chunk: Buffer, take: (text: Buffer) => void): number {
    let at = 0;
    while (at < chunk.length && this.#seen !== "text") {
      const byte = chunk[at] as number;
      switch (this.#seen as Exclude<Seen, "text">) {
        case "line":
          if (byte !== DOT) {
            this.#seen = "text";
            return at;
          }
          this.#seen = "dot";
          at++;
          break;
        case "dot":
          if (byte !== CR) {
            this.#seen = "text";
            return at;
          }
          this.#seen = "dotCr";
          at++;
          break;
        case "dotCr":
          if (byte === LF) return ~(at + 1);
          this.#seen = "text";
          this.flaw ??= "bareCr";
          take(CRLF.subarray(0, 1));
          return at;
        case "textCr":
          if (byte === LF) {
            this.#seen = "line";
            // given out with its CR by the chunk before
            take(CRLF.subarray(1));
            at++;
          } else {
            this.#seen = "text";
            this.flaw ??= "bareCr";
            return at;
          }
          break;
      }
    }
    return at;
  }

  /** Goes through the rest of a chunk from a place that is not the start of a line. */
  #run(chunk: Buffer, from: number, take: (text: Buffer) => void): number {
    if (from >= chunk.length) return -1;
    let start = from;
    let at = from;
    for (;;) {
      const found = chunk.indexOf(LINE_DOT, at);
      if (found < 0) break;
      const dot = found + 2;
      if (chunk[dot + 1] === CR && chunk[dot + 2] === LF) {
        give(chunk, start, dot, take);
        this.#check(chunk, from, dot);
        return dot + 3;
      }
      if (dot + 2 >= chunk.length && chunk[chunk.length - 1] !== LF) {
        const last = chunk[dot + 1];
        if (last === undefined || last === CR) return this.#leave(chunk, { from, start, dot }, take);
      }
      give(chunk, start, dot, take);
      start = dot + 1;
      at = start;
    }
    give(chunk, start, chunk.length, take);
    this.#check(chunk, from, chunk.length);
    this.#seen = this.#ending(chunk, from);
    return -1;
  }

  /** The chunk ends in a dot at the start of a line, or in such a dot and CR. */
  #leave(
    chunk: Buffer,
    { from, start, dot }: { readonly from: number; readonly start: number; readonly dot: number },
    take: (text: Buffer) => void,
  ): number {
    give(chunk, start, dot, take);
    this.#check(chunk, from, dot);
    this.#seen = dot + 1 < chunk.length ? "dotCr" : "dot";
    return -1;
  }

  #ending(chunk: Buffer, from: number): Seen {
    const last = chunk[chunk.length - 1];
    if (last === CR) return "textCr";
    return last === LF && chunk.length - 2 >= from && chunk[chunk.length - 2] === CR ? "line" : "text";
  }

  #check(chunk: Buffer, from: number, to: number): void {
    if (this.flaw !== undefined) return;
    // a CR at the end of the chunk is judged with the next one
    const end = to === chunk.length && chunk[to - 1] === CR ? to - 1 : to;
    const found = UNCLEAN.exec(chunk.toString("latin1", from, end))?.[0];
    if (found !== undefined) this.flaw = found === "\0" ? "nul" : found === "\r" ? "bareCr" : "bareLf";
  }
}

function give(chunk: Buffer, start: number, end: number, take: (text: Buffer) => void): void {
  if (end > start) take(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end));
}

/** A whole text as the body of DATA, with the final dot; a last line without CR LF gets one. */
export function stuffDots(text: Buffer): Buffer {
  const parts: Buffer[] = [];
  let start = 0;
  if (text[0] === DOT) parts.push(LINE_DOT.subarray(2));
  for (let found = text.indexOf(LINE_DOT); found >= 0; found = text.indexOf(LINE_DOT, start)) {
    parts.push(text.subarray(start, found + 2), LINE_DOT.subarray(2));
    start = found + 2;
  }
  parts.push(text.subarray(start));
  const ended = text.length === 0 || text.subarray(-2).equals(CRLF);
  parts.push(Buffer.from(ended ? ".\r\n" : "\r\n.\r\n"));
  return Buffer.concat(parts);
}
