// What a session says, gathered: thousands of small answers leave in few writes, large ones go through uncopied.

import type { Stream } from "#sys/conn.ts";

/** So much is gathered before it is sent on its own. */
const FULL = 32 * 1024;
/** Bytes from this length on are not copied. */
const LARGE = 8 * 1024;

export class Output {
  readonly #stream: Pick<Stream, "write">;
  #text = "";

  constructor(stream: Pick<Stream, "write">) {
    this.#stream = stream;
  }

  /** Text of one character a byte, or bytes; a promise when the peer must read before more is said. */
  say(data: string | Buffer): Promise<void> | undefined {
    if (typeof data === "string") this.#text += data;
    else if (data.length < LARGE) this.#text += data.toString("latin1");
    else {
      // the order of what was said is kept by the stream, so only the last write needs waiting for
      const before = this.flush();
      const now = this.#stream.write(data);
      return before && now ? Promise.all([before, now]).then(() => undefined) : (now ?? before);
    }
    return this.#text.length >= FULL ? this.flush() : undefined;
  }

  /** Sends what is gathered. */
  flush(): Promise<void> | undefined {
    if (this.#text === "") return undefined;
    const bytes = Buffer.from(this.#text, "latin1");
    this.#text = "";
    return this.#stream.write(bytes);
  }
}
