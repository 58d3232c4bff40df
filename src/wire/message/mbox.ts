// mboxrd: messages behind each other in one file. A line that begins with any number of ">" and "From " has one ">" more.

/** Quotes lines of a message with LF line ends, over chunks, and ends its last line. */
export class MboxQuoter {
  /** At the start of a line, or behind nothing but ">": one more ">" may stand here as well as at the start. */
  #start = true;
  /** A beginning of "From " that is still to be decided. */
  #held = "";
  #ended = true;

  feed(chunk: Buffer): Buffer {
    if (chunk.length === 0) return chunk;
    const text = this.#held + chunk.toString("latin1");
    const behind = text.lastIndexOf("\n") + 1;
    const tail = text.slice(behind);
    const undecided = behind > 0 || this.#start ? /^>*(F(?:r(?:om?)?)?)?$/.exec(tail) : null;
    const held = undecided?.[1] ?? "";
    const decided = text.slice(0, text.length - held.length);
    const quoted = decided.replaceAll(/(^|\n)(>*From )/g, (whole, before: string, from: string) =>
      before === "" && !this.#start ? whole : `${before}>${from}`,
    );
    this.#start = undecided !== null;
    this.#held = held;
    this.#ended = text.endsWith("\n");
    return Buffer.from(quoted, "latin1");
  }

  /** What is left, a line end where the last line has none, and the blank line between messages. */
  end(): Buffer {
    const rest = `${this.#held}${this.#ended ? "" : "\n"}\n`;
    this.#held = "";
    this.#ended = true;
    this.#start = true;
    return Buffer.from(rest, "latin1");
  }
}
