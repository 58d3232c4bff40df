// Chunks: the octets behind BDAT (RFC 3030 §2), which are counted, not searched for an end. A message that is not declared as binary is
// still text: its lines end with CR LF, and bare CR, bare LF and NUL are told, never repaired (see dots.ts).

import { type BodyFlaw, findFlaw } from "./dots.ts";

const CR = 13;
const LF = 10;
const CRLF = Buffer.from("\r\n");

/** One per message, for all its chunks: a CR may end one and its LF begin the next. */
export class ChunkReader {
  /** Found in the message so far. */
  flaw: BodyFlaw | undefined;
  readonly #binary: boolean;
  /** What the octets so far end with. */
  #end: "nothing" | "cr" | "crlf" | "other" = "nothing";

  constructor(binary: boolean) {
    this.#binary = binary;
  }

  /** Gives octets of a chunk on to `take`, as they are. */
  feed(octets: Buffer, take: (octets: Buffer) => void): void {
    if (octets.length === 0) return;
    if (!this.#binary) this.#check(octets);
    const before = octets.length > 1 ? octets[octets.length - 2] : this.#end === "cr" ? CR : undefined;
    const last = octets[octets.length - 1];
    this.#end = last === CR ? "cr" : last === LF && before === CR ? "crlf" : "other";
    take(octets);
  }

  /** The message has ended. Its last line is ended too, when its sender has not: DATA cannot send another one. */
  end(take: (octets: Buffer) => void): void {
    if (this.#binary) return;
    if (this.#end === "cr") this.flaw ??= "bareCr";
    else if (this.#end === "other") take(CRLF);
  }

  #check(octets: Buffer): void {
    if (this.flaw !== undefined) return;
    const text = `${this.#end === "cr" ? "\r" : ""}${octets.toString("latin1")}`;
    // a CR at the end is judged with what follows it
    this.flaw = findFlaw(text.endsWith("\r") ? text.slice(0, -1) : text);
  }
}
