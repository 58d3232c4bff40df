// Line ends between the wire (CRLF) and the disk (LF, as every other Maildir program writes). Strings, because V8 replaces in them
// at 1 GB/s, four times as fast as copying between line ends found with Buffer.indexOf.

/** CRLF → LF over chunks: a CR at the end of a chunk waits for the next one. A CR that stands alone stays. */
export class ToUnix {
  #heldCr = false;

  feed(chunk: Buffer): Buffer {
    if (chunk.length === 0) return chunk;
    const endsInCr = chunk[chunk.length - 1] === 13;
    const text =
      (this.#heldCr ? "\r" : "") + chunk.toString("latin1", 0, endsInCr ? chunk.length - 1 : chunk.length);
    this.#heldCr = endsInCr;
    return Buffer.from(text.replaceAll("\r\n", "\n"), "latin1");
  }

  /** What is left when there is no more: a last CR. */
  end(): Buffer {
    const rest = this.#heldCr ? Buffer.from("\r") : Buffer.alloc(0);
    this.#heldCr = false;
    return rest;
  }
}

/** A whole text at once. */
export function toUnix(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString("latin1").replaceAll("\r\n", "\n"), "latin1");
}

/** A text that was written by any program: no NUL, and every line end is LF, CR alone too, because a server would take it for one or refuse it
 * (RFC 5321 §2.3.8). Bytes, one a character. */
export const cleanText = (bytes: Buffer): string =>
  bytes.toString("latin1").replaceAll("\0", "").replaceAll(/\r\n?/g, "\n");

/** LF → CRLF for a whole text; CRLFs that are there already stay. */
export function toWire(bytes: Buffer): Buffer {
  const text = bytes.toString("latin1");
  // files of ours have no CR; a look-behind on every line end would cost three times as much
  const wire = text.includes("\r\n") ? text.replaceAll(/(?<!\r)\n/g, "\r\n") : text.replaceAll("\n", "\r\n");
  return Buffer.from(wire, "latin1");
}

/** LF → CRLF over chunks. `afterCr`: the byte before the first chunk was a CR. */
export class ToWire {
  #lastCr: boolean;

  constructor(afterCr = false) {
    this.#lastCr = afterCr;
  }

  /** The last byte fed was a CR. */
  get afterCr(): boolean {
    return this.#lastCr;
  }

  feed(chunk: Buffer): Buffer {
    if (chunk.length === 0) return chunk;
    const held = this.#lastCr && chunk[0] === 10;
    this.#lastCr = chunk[chunk.length - 1] === 13;
    // a CRLF that was cut in two has its CR already
    return held ? Buffer.concat([chunk.subarray(0, 1), toWire(chunk.subarray(1))]) : toWire(chunk);
  }
}
