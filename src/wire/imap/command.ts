// Cuts what an IMAP client sends into commands: lines with literals in between (RFC 9051 §2.2.1, §4.3). Bounded; never guesses.

import { limits } from "#base/limits.ts";

/** Text of a line between literals (one character a byte), or the bytes of a literal. */
export type Piece = string | Buffer;

export type CommandEvent =
  /** A whole command. */
  | { readonly kind: "command"; readonly pieces: readonly Piece[] }
  /** A literal is announced; nothing more comes out until `accept`. A `sync` one needs "+" before the client goes on. */
  | {
      readonly kind: "literal";
      readonly size: number;
      readonly sync: boolean;
      readonly pieces: readonly Piece[];
      /** Bytes of the literals before it in this command that were kept. */
      readonly held: number;
    }
  /** A part of a literal that was accepted as "stream". */
  | { readonly kind: "data"; readonly chunk: Buffer; readonly last: boolean }
  /** The line is longer than allowed: say BAD and close, because where the next command begins is not known. */
  | { readonly kind: "tooLong" };

type State = "line" | "asked" | "keep" | "stream" | "skip" | "dead";

/** RFC 9051 §4.3: {n} or, without waiting, {n+} (RFC 7888) at the end of a line. */
const LITERAL = /\{(\d{1,10})(\+?)\}$/;

export class CommandReader {
  readonly #maxLine: number;
  #bytes: Buffer = Buffer.alloc(0);
  #pieces: Piece[] = [];
  /** Characters of the lines of this command so far. */
  #length = 0;
  #state: State = "line";
  /** Bytes of the literal still to come. */
  #left = 0;
  /** Bytes of literals kept for this command. */
  #held = 0;
  /** From here on no LF has been found yet. */
  #searched = 0;

  constructor(maxLine: number = limits.imap.line) {
    this.#maxLine = maxLine;
  }

  feed(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
  }

  /** What was fed and not read yet; empties it. For the handover to another reader, and for STARTTLS. */
  takeRest(): Buffer {
    const rest = this.#bytes;
    this.#bytes = Buffer.alloc(0);
    this.#searched = 0;
    return rest;
  }

  get holdsBytes(): boolean {
    return this.#bytes.length > 0;
  }

  /** After a "literal" event: keep it as a piece, hand it out in parts, or throw it away. */
  accept(how: "keep" | "stream" | "skip"): void {
    this.#state = how;
  }

  /** After refusing a synchronising literal: the client sends none, the command is over. */
  forget(): void {
    this.#reset();
  }

  next(): CommandEvent | undefined {
    switch (this.#state) {
      case "line":
        return this.#line();
      case "keep":
        return this.#keep();
      case "stream":
        return this.#stream();
      case "skip":
        return this.#skip();
      case "asked":
      case "dead":
        return undefined;
    }
  }

  #line(): CommandEvent | undefined {
    const end = this.#bytes.indexOf(10, this.#searched);
    const length = end < 0 ? this.#bytes.length : end;
    if (this.#length + length > this.#maxLine) {
      this.#state = "dead";
      return { kind: "tooLong" };
    }
    if (end < 0) {
      this.#searched = this.#bytes.length;
      return undefined;
    }
    // a line that ends with LF alone is taken too: nothing in IMAP can be smuggled by it
    const text = this.#bytes.toString("latin1", 0, this.#bytes[end - 1] === 13 ? end - 1 : end);
    this.#bytes = this.#bytes.subarray(end + 1);
    this.#searched = 0;
    this.#length += text.length;
    const literal = LITERAL.exec(text);
    if (!literal) {
      const pieces = [...this.#pieces, text];
      this.#reset();
      return { kind: "command", pieces };
    }
    this.#pieces.push(text.slice(0, literal.index));
    this.#left = Number(literal[1]);
    this.#state = "asked";
    return {
      kind: "literal",
      size: this.#left,
      sync: literal[2] === "",
      pieces: [...this.#pieces],
      held: this.#held,
    };
  }

  #keep(): CommandEvent | undefined {
    if (this.#bytes.length < this.#left) return undefined;
    // copied, so that a small literal does not hold the whole chunk
    this.#pieces.push(Buffer.from(this.#bytes.subarray(0, this.#left)));
    this.#held += this.#left;
    this.#bytes = this.#bytes.subarray(this.#left);
    this.#state = "line";
    return this.#line();
  }

  #stream(): CommandEvent | undefined {
    if (this.#bytes.length === 0 && this.#left > 0) return undefined;
    const chunk = this.#bytes.subarray(0, this.#left);
    this.#bytes = this.#bytes.subarray(chunk.length);
    this.#left -= chunk.length;
    if (this.#left === 0) {
      // a streamed literal is an empty piece in the command that follows
      this.#pieces.push(Buffer.alloc(0));
      this.#state = "line";
    }
    return { kind: "data", chunk, last: this.#left === 0 };
  }

  #skip(): CommandEvent | undefined {
    const gone = Math.min(this.#left, this.#bytes.length);
    this.#bytes = this.#bytes.subarray(gone);
    this.#left -= gone;
    if (this.#left > 0) return undefined;
    this.#pieces.push(Buffer.alloc(0));
    this.#state = "line";
    return this.#line();
  }

  #reset(): void {
    this.#pieces = [];
    this.#length = 0;
    this.#held = 0;
    this.#state = "line";
  }
}
