// Transfer: the encodings in which any bytes travel as short lines of ASCII (RFC 2045 §6.7, §6.8), over chunks.

/** Takes bytes in any pieces; `end` gives what is left. */
export interface Encoder {
  feed(bytes: Buffer): Buffer;
  end(): Buffer;
}

/** Octets of one line of base64: 76 characters. */
const LINE = 57;

/** RFC 2045 §6.8. The last line has no line end: that of a part belongs to the boundary behind it. */
export class Base64Encoder implements Encoder {
  #kept: Buffer = Buffer.alloc(0);
  #begun = false;

  feed(bytes: Buffer): Buffer {
    const all = this.#kept.length === 0 ? bytes : Buffer.concat([this.#kept, bytes]);
    const whole = all.length - (all.length % LINE);
    // a copy, because a view would keep the whole chunk
    this.#kept = Buffer.from(all.subarray(whole));
    return this.#lines(all.subarray(0, whole));
  }

  end(): Buffer {
    const rest = this.#lines(this.#kept);
    this.#kept = Buffer.alloc(0);
    return rest;
  }

  #lines(bytes: Buffer): Buffer {
    const lines = bytes.toString("base64").match(/.{1,76}/g);
    if (!lines) return Buffer.alloc(0);
    const before = this.#begun ? "\r\n" : "";
    this.#begun = true;
    return Buffer.from(before + lines.join("\r\n"), "latin1");
  }
}

/** RFC 2045 §6.7, for text whose line ends are CRLF; those stay. */
export class QuotedEncoder implements Encoder {
  /** A line that has not ended. */
  #kept = "";

  feed(bytes: Buffer): Buffer {
    const lines = (this.#kept + bytes.toString("latin1")).split("\r\n");
    this.#kept = lines.pop() ?? "";
    return Buffer.from(lines.map((line) => `${quoteLine(line)}\r\n`).join(""), "latin1");
  }

  end(): Buffer {
    const rest = quoteLine(this.#kept);
    this.#kept = "";
    return Buffer.from(rest, "latin1");
  }
}

/** Characters of a line, without the "=" that cuts it. */
const WIDTH = 75;

function quoteLine(line: string): string {
  const quoted = line.replace(/[^\t -<>-~]|[\t ]$/g, hex);
  if (quoted.length <= WIDTH + 1) return quoted;
  const cut: string[] = [];
  let rest = quoted;
  while (rest.length > WIDTH + 1) {
    // never within "=3D"
    const back = /=[0-9A-F]?$/.exec(rest.slice(0, WIDTH))?.[0].length ?? 0;
    cut.push(rest.slice(0, WIDTH - back));
    rest = rest.slice(WIDTH - back);
  }
  return [...cut, rest].join("=\r\n");
}

const hex = (char: string): string => `=${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
