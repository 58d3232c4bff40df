// The protocol of clamd (clamd(8), "COMMANDS"), as far as a mail server needs it: INSTREAM and PING, each on a connection of its own.
// Commands that begin with "z" end with NUL, and so do their answers.

import { err, ok, type Result } from "#base/result.ts";

const EMPTY = Buffer.alloc(0);

export const formatPing = (): Buffer => Buffer.from("zPING\0");

/** The message follows in chunks; a chunk of nothing ends it. */
export const formatInstream = (): Buffer => Buffer.from("zINSTREAM\0");

/** What goes before a chunk of this size. */
export function formatChunkHead(size: number): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(size);
  return head;
}

export type ScanAnswer =
  | { readonly kind: "clean" }
  | { readonly kind: "found"; readonly signature: string }
  | { readonly kind: "pong" };

/** Gathers an answer. One that is too long is `flaw`. */
export class ScanAnswerReader {
  flaw: string | undefined;
  readonly #most: number;
  #bytes: Buffer = EMPTY;

  constructor(most: number) {
    this.#most = most;
  }

  feed(chunk: Buffer): void {
    if (this.flaw !== undefined) return;
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    const end = this.#bytes.indexOf(0);
    if ((end < 0 ? this.#bytes.length : end) <= this.#most) return;
    this.flaw = "an answer that is too long";
    this.#bytes = EMPTY;
  }

  /** The answer, without its NUL, when it is complete. */
  next(): string | undefined {
    const end = this.#bytes.indexOf(0);
    if (end < 0) return undefined;
    const text = this.#bytes.toString("utf8", 0, end);
    this.#bytes = this.#bytes.subarray(end + 1);
    return text;
  }
}

/** "stream: OK", "stream: Eicar-Signature FOUND", "PONG"; an error is what clamd says instead ("INSTREAM size limit exceeded. ERROR"). */
export function parseScanAnswer(text: string): Result<ScanAnswer> {
  if (text === "PONG") return ok({ kind: "pong" });
  if (text === "stream: OK") return ok({ kind: "clean" });
  const [, signature] = /^stream: (.+) FOUND$/s.exec(text) ?? [];
  if (signature !== undefined) return ok({ kind: "found", signature });
  return err(text.replace(/ ERROR$/, "").trim() || "an empty answer");
}
