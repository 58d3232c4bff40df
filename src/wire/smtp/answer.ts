// Answer: a server's replies as a client reads them, cut from whatever it sends. Bounded in line, in sum and in number of lines.

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";

export interface Answer {
  /** 200–599. */
  readonly code: number;
  /** The texts of its lines, without codes. */
  readonly lines: readonly string[];
  /** RFC 2034: the enhanced status code, when there is one that fits the code. */
  readonly enhanced: string | undefined;
}

const LF = 10;

/** Cuts a stream into answers; after the first error there is nothing more to be had. */
export class AnswerReader {
  #kept: Buffer = Buffer.alloc(0);
  /** No line end in `#kept` before this. */
  #searched = 0;
  #lines: string[] = [];
  #bytes = 0;
  #failed: Result<Answer> | undefined;

  feed(chunk: Buffer): void {
    this.#kept = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
  }

  /** Bytes that have been fed and belong to no answer yet. */
  get rest(): number {
    return this.#kept.length + this.#bytes;
  }

  /** The next whole answer, an error when what came is none, undefined when more is needed. */
  next(): Result<Answer> | undefined {
    if (this.#failed) return this.#failed;
    for (;;) {
      const end = this.#kept.indexOf(LF, this.#searched);
      const length = end < 0 ? this.#kept.length : end + 1;
      if (length > limits.remote.replyLine) return this.#fail("a line without end");
      if (end < 0) {
        this.#searched = this.#kept.length;
        return undefined;
      }
      const line = this.#kept.toString("utf8", 0, end);
      this.#kept = this.#kept.subarray(length);
      this.#searched = 0;
      this.#bytes += length;
      if (this.#bytes > limits.remote.replyBytes) return this.#fail("a reply without end");
      const answer = this.#take(line);
      if (answer) return answer;
    }
  }

  #take(line: string): Result<Answer> | undefined {
    // bare LF: some servers end lines so, and nothing can be smuggled towards a client. RFC 5321 §4.2: the text may be missing
    const parts = /^([2-5]\d\d)([ -]?)([^\r]*)\r?$/.exec(line);
    if (!parts) return this.#fail("a line that is no reply");
    const [, code = "", separator, text = ""] = parts;
    if (separator === "" && text !== "") return this.#fail("a line that is no reply");
    this.#lines.push(harmless(text));
    if (separator === "-") return undefined;
    const lines = this.#lines;
    this.#lines = [];
    this.#bytes = 0;
    // RFC 5321 §4.2.1: all lines have the same code; where they do not, the last one is what other clients go by
    return ok({ code: Number(code), lines, enhanced: enhancedOf(code, lines) });
  }

  #fail(why: string): Result<Answer> {
    this.#kept = Buffer.alloc(0);
    this.#lines = [];
    this.#failed = err(why);
    return this.#failed;
  }
}

const ENHANCED = /^([245])\.(\d{1,3})\.(\d{1,3})(?:\s+|$)/;

function enhancedOf(code: string, lines: readonly string[]): string | undefined {
  const found = ENHANCED.exec(lines[0] ?? "");
  // RFC 2034 §4: its class is that of the reply code; one that is not means nothing
  return found && found[1] === code[0] ? `${found[1]}.${found[2]}.${found[3]}` : undefined;
}

/** Text for people on one line: no control characters, the enhanced codes only once, at most `most` characters. */
export function answerText({ code, lines }: Answer, most: number): string {
  const text = lines
    .map((line, at) => (at === 0 ? line : line.replace(ENHANCED, "")))
    .join(" ")
    .trim();
  const whole = `${code} ${text}`.trim();
  return whole.length > most ? `${whole.slice(0, most - 1)}…` : whole;
}

const harmless = (text: string): string => text.replaceAll(/[\x00-\x1f\x7f]/g, "?");

/** The extensions of an EHLO answer: keyword in capitals → its parameters. The first line is the server's name. */
export function parseExtensions({ lines }: Answer): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of lines.slice(1)) {
    // "AUTH=LOGIN" is how servers of old wrote it
    const [keyword = "", ...parameters] = line.trim().split(/[ =]+/);
    found.set(keyword.toUpperCase(), parameters.join(" "));
  }
  return found;
}
