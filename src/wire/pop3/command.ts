// POP3 commands: a line, a verb of three or four letters, arguments (RFC 1939 §3).

import { limits } from "#base/limits.ts";

/** Cuts bytes into lines; a line that is longer than allowed comes out as undefined and the rest of it is thrown away. */
export class LineReader {
  readonly #max: number;
  #bytes: Buffer = Buffer.alloc(0);
  #tooLong = false;

  constructor(max: number = limits.pop3.line) {
    this.#max = max;
  }

  feed(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
  }

  /** The next line without its end: text of one character a byte; "tooLong"; or undefined when there is none yet. */
  next(): string | "tooLong" | undefined {
    const end = this.#bytes.indexOf(10);
    if (end < 0) {
      if (this.#bytes.length > this.#max) {
        this.#tooLong = true;
        this.#bytes = Buffer.alloc(0);
      }
      return undefined;
    }
    const line = this.#bytes.subarray(0, end);
    this.#bytes = this.#bytes.subarray(end + 1);
    const wasTooLong = this.#tooLong || line.length > this.#max;
    this.#tooLong = false;
    if (wasTooLong) return "tooLong";
    return line.toString("latin1", 0, line[line.length - 1] === 13 ? line.length - 1 : line.length);
  }

  takeRest(): Buffer {
    const rest = this.#bytes;
    this.#bytes = Buffer.alloc(0);
    return rest;
  }
}

export interface Pop3Command {
  /** In upper case. */
  readonly verb: string;
  /** Everything behind the first space: passwords may hold spaces. */
  readonly rest: string;
  readonly words: readonly string[];
}

export function parseCommand(line: string): Pop3Command {
  const space = line.indexOf(" ");
  const verb = (space < 0 ? line : line.slice(0, space)).toUpperCase();
  const rest = space < 0 ? "" : line.slice(space + 1);
  return { verb, rest, words: rest.split(" ").filter((word) => word !== "") };
}
