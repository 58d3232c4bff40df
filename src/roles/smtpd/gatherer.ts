// Gathers the header section of a message as it arrives, so that it never costs much more memory than it has bytes: no buffer is grown by
// copying it, and a client that sends byte by byte does not make us keep a buffer for each.

import { headerEnd } from "./header.ts";

/** Pieces below this are copied into a block; larger ones are kept as they are. */
const SMALL = 4096;
const BLOCK = 16 * 1024;

/** RFC 5322 §2.1: an empty line; with the end of the line before it. */
const BLANK = 4;

export interface Gathered {
  /** The header section with its blank line. */
  readonly bytes: Buffer;
  /** What came behind it. */
  readonly rest: Buffer;
}

export class HeaderGatherer {
  /** Bytes so far. */
  size = 0;
  #parts: Buffer[] = [];
  #block: Buffer | undefined;
  #used = 0;
  /** The last bytes so far, with which a blank line may have begun. */
  #tail: Buffer = Buffer.alloc(0);

  /** Takes the next piece of the message; the header when it is complete. */
  take(text: Buffer): Gathered | undefined {
    const end = this.#endIn(text);
    if (end < 0) {
      this.#keep(text);
      return undefined;
    }
    const last = text.subarray(0, end);
    const bytes = this.size === 0 ? last : Buffer.concat([...this.#all(), last]);
    return { bytes, rest: text.subarray(end) };
  }

  /** All there is; a message without a blank line is all header. */
  everything(): Buffer {
    return Buffer.concat(this.#all());
  }

  /** Where in `text` the header ends, or −1. */
  #endIn(text: Buffer): number {
    const before = this.#tail.length;
    // a blank line in the middle of two pieces; at the start of the message it stands for itself
    const joint = before > 0 ? Buffer.concat([this.#tail, text.subarray(0, BLANK - 1)]) : text;
    const found = before === this.size ? headerEnd(joint, 0) : joint.indexOf("\r\n\r\n");
    const across = before === this.size || found < 0 ? found : found + BLANK;
    if (across >= 0) return across - before;
    const within = before > 0 ? text.indexOf("\r\n\r\n") : -1;
    return within < 0 ? -1 : within + BLANK;
  }

  #keep(text: Buffer): void {
    this.size += text.length;
    this.#tail = Buffer.concat([this.#tail, text.subarray(1 - BLANK)]).subarray(1 - BLANK);
    if (text.length >= SMALL) {
      this.#close();
      this.#parts.push(text);
      return;
    }
    if (this.#block && this.#used + text.length > BLOCK) this.#close();
    this.#block ??= Buffer.allocUnsafeSlow(BLOCK);
    this.#used += text.copy(this.#block, this.#used);
  }

  #close(): void {
    if (this.#block && this.#used > 0) this.#parts.push(this.#block.subarray(0, this.#used));
    this.#block = undefined;
    this.#used = 0;
  }

  #all(): readonly Buffer[] {
    this.#close();
    return this.#parts;
  }
}
