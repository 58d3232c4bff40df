// The text of a message that comes counted, not dotted (QMTP, QMQP): with lines that end with LF or with CR LF, made into lines that
// end with CR LF. As with DATA, what is not text is told, never repaired.

import { type BodyFlaw, findFlaw } from "./dots.ts";

export class BodyText {
  readonly #ends: "lf" | "crlf";
  /** Found so far. */
  flaw: BodyFlaw | undefined;
  /** A CR at the end of a piece cannot be judged without the next. */
  #held = "";
  #lineStart = true;

  constructor(ends: "lf" | "crlf") {
    this.#ends = ends;
  }

  /** The next piece as it goes on; it may be empty. */
  feed(chunk: Buffer): Buffer {
    const whole = this.#held + chunk.toString("latin1");
    this.#held = whole.endsWith("\r") ? "\r" : "";
    return this.#take(this.#held === "" ? whole : whole.slice(0, -1));
  }

  /** What is left when there is no more: a last line gets its end, because SMTP could not transfer it without. */
  end(): Buffer {
    const rest = this.#take(this.#held);
    return this.#lineStart ? rest : Buffer.concat([rest, Buffer.from("\r\n")]);
  }

  #take(text: string): Buffer {
    if (text === "") return Buffer.alloc(0);
    // a CR before LF belongs to a line end also where LF alone would do
    const wire = this.#ends === "lf" ? text.replaceAll(/\r?\n/g, "\r\n") : text;
    this.flaw ??= findFlaw(wire);
    this.#lineStart = wire.endsWith("\n");
    return Buffer.from(wire, "latin1");
  }
}
