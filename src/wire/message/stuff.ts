// Stuff: a message body on its way out by DATA: dots doubled at line starts, every line end CRLF, the end marked (RFC 5321 §4.5.2).

/** A body in chunks → what is sent. No bare CR or LF leaves, whatever is stored: a server that takes one for a line end would see
 * another message than we do (RFC 5321 §2.3.8). */
export class Stuffer {
  #atLineStart = true;
  #heldCr = false;

  feed(chunk: Buffer): Buffer {
    if (chunk.length === 0) return chunk;
    const endsInCr = chunk[chunk.length - 1] === CR;
    const end = endsInCr ? chunk.length - 1 : chunk.length;
    const held = this.#heldCr;
    this.#heldCr = endsInCr;
    if (!held && !this.#needsWork(chunk, end)) {
      this.#atLineStart = end > 0 ? chunk[end - 1] === LF : this.#atLineStart;
      return endsInCr ? chunk.subarray(0, end) : chunk;
    }
    return this.#work((held ? "\r" : "") + chunk.toString("latin1", 0, end));
  }

  /** What comes last: the line end that may be missing, and the dot. */
  end(): Buffer {
    const held = this.#heldCr;
    this.#heldCr = false;
    if (held) this.#atLineStart = false;
    const line = this.#atLineStart ? "" : "\r\n";
    this.#atLineStart = true;
    return Buffer.from(`${line}.\r\n`);
  }

  /** Most chunks go out as they are; a look at each line end, without a string, finds out. */
  #needsWork(chunk: Buffer, end: number): boolean {
    if (this.#atLineStart && chunk[0] === DOT) return true;
    let crs = 0;
    for (let at = chunk.indexOf(CR); at >= 0 && at < end; at = chunk.indexOf(CR, at + 2)) {
      if (chunk[at + 1] !== LF || chunk[at + 2] === DOT) return true;
      crs++;
    }
    let lfs = 0;
    for (let at = chunk.indexOf(LF); at >= 0 && at < end; at = chunk.indexOf(LF, at + 1)) lfs++;
    return crs !== lfs;
  }

  #work(text: string): Buffer {
    let out = BARE.test(text) ? text.replaceAll(/\r\n|\r|\n/g, "\r\n") : text;
    out = out.replaceAll("\n.", "\n..");
    if (this.#atLineStart && out.startsWith(".")) out = `.${out}`;
    if (out.length > 0) this.#atLineStart = out.endsWith("\n");
    return Buffer.from(out, "latin1");
  }
}

const CR = 13;
const LF = 10;
const DOT = 46;
const BARE = /\r(?!\n)|(?<!\r)\n/;
