// Netstrings: `LENGTH:BYTES,`, the length in decimal digits without a needless zero. QMTP and QMQP are made of them.

/** What stands before the bytes. */
export type Head =
  | { readonly kind: "more" }
  | {
      readonly kind: "length";
      readonly length: number /** The first byte behind the colon. */;
      readonly end: number;
    }
  /** What came is no length, or it is greater than allowed. */
  | { readonly kind: "flaw" };

const MORE: Head = { kind: "more" };
const FLAW: Head = { kind: "flaw" };

const [ZERO, NINE, COLON] = [48, 57, 58];

/** Reads lengths from bytes that come in pieces. One for as many lengths as follow each other. */
export class LengthReader {
  #length = 0;
  #digits = 0;

  /** Reads on at `from`. Of an endless row of digits no more is looked at than `most` has. */
  feed(chunk: Buffer, from: number, most: number): Head {
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0;
      if (byte === COLON) return this.#end(at + 1);
      const needless = this.#digits > 0 && this.#length === 0;
      if (byte < ZERO || byte > NINE || needless) return FLAW;
      this.#length = 10 * this.#length + (byte - ZERO);
      this.#digits++;
      if (this.#length > most) return FLAW;
    }
    return MORE;
  }

  #end(end: number): Head {
    if (this.#digits === 0) return FLAW;
    const length = this.#length;
    this.#length = 0;
    this.#digits = 0;
    return { kind: "length", length, end };
  }
}

/** What stands before so many bytes, and behind them. */
export const netstringStart = (length: number): Buffer => Buffer.from(`${length}:`);
export const NETSTRING_END = Buffer.from(",");

/** The bytes as a netstring. */
export function formatNetstring(...parts: readonly (string | Buffer)[]): Buffer {
  const bytes = parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part));
  const length = bytes.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([netstringStart(length), ...bytes, NETSTRING_END]);
}
