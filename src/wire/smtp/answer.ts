// Replies of another server: "250-first", "250 last" (RFC 5321 §4.2). Bounded; anything else is undefined behaviour of the peer.

import { limits } from "#base/limits.ts";

export interface Answer {
  readonly code: number;
  readonly lines: readonly string[];
}

export class AnswerReader {
  #bytes = "";
  #lines: string[] = [];
  #size = 0;

  feed(chunk: Buffer): void {
    this.#bytes += chunk.toString("latin1");
  }

  /** The next whole reply; "garbage" when what came is none, or is longer than allowed. */
  next(): Answer | "garbage" | undefined {
    for (;;) {
      const end = this.#bytes.indexOf("\n");
      if (end < 0) return this.#size + this.#bytes.length > limits.remote.replyBytes ? "garbage" : undefined;
      const line = this.#bytes.slice(0, end).replace(/\r$/, "");
      this.#bytes = this.#bytes.slice(end + 1);
      this.#size += line.length;
      const found = /^([2-5]\d\d)(?:([ -])(.*))?$/.exec(line);
      if (!found || this.#size > limits.remote.replyBytes) return "garbage";
      this.#lines.push(found[3] ?? "");
      if (found[2] === "-") continue;
      const lines = this.#lines;
      this.#lines = [];
      this.#size = 0;
      return { code: Number(found[1]), lines };
    }
  }
}
