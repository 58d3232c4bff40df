// Service: the connection to a checker, made when it is first needed, closed at any time. Times are those of the examination
// (examination.ts), which closes it when they are over.

import type { Clock } from "#base/clock.ts";
import { Trouble } from "#base/problem.ts";
import type { Conn, Cutter } from "#sys/conn.ts";
import { reach } from "#sys/reach.ts";

/** What cuts the bytes of a checker into answers; `flaw`: it sends what cannot be one. */
export interface AnswerCutter<T> extends Cutter<T> {
  readonly flaw: string | undefined;
  /** It has closed: what is there is all. */
  end?(): void;
}

export interface ServiceOptions {
  readonly clock: Clock;
  /** "unix:/path", "address:port". */
  readonly address: string;
  /** ms for each single wait. */
  readonly timeout: number;
}

export class Service {
  readonly #options: ServiceOptions;
  #conn: Conn | undefined;
  #closed = false;

  constructor(options: ServiceOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    const { address, timeout, clock } = this.#options;
    const conn = await reach(address, timeout, clock);
    if (this.#closed) conn.destroy();
    this.#conn = conn;
  }

  /** Resolves when more may be sent. */
  async send(...parts: readonly (string | Buffer)[]): Promise<void> {
    const conn = this.#connected();
    let busy: Promise<void> | undefined;
    for (const part of parts) {
      const now = part.length > 0 ? conn.write(part) : undefined;
      if (busy && now) now.catch(() => {});
      busy ??= now;
    }
    await busy;
  }

  /** A piece of the message. A checker that closes instead of reading on may have said why: then it is that which `answer` rejects with. */
  async pass(parts: readonly (string | Buffer)[], answer: () => Promise<unknown>): Promise<void> {
    try {
      await this.send(...parts);
    } catch (thrown) {
      await answer();
      throw thrown;
    }
  }

  /** The next answer. */
  async receive<T>(cutter: AnswerCutter<T>): Promise<T> {
    const conn = this.#connected();
    for (;;) {
      const found = cutter.next();
      if (found !== undefined) return found;
      if (cutter.flaw !== undefined) throw new Trouble("read an answer", `It sends ${cutter.flaw}`);
      const chunk = await conn.read(this.#options.timeout);
      if (chunk) cutter.feed(chunk);
      else {
        cutter.end?.();
        const last = cutter.next();
        if (last !== undefined) return last;
        throw new Trouble("read an answer", "It has closed without an answer", { code: "closed" });
      }
    }
  }

  /** Says the last words and closes. */
  async finish(...parts: readonly Buffer[]): Promise<void> {
    const conn = this.#conn;
    if (!conn || this.#closed) return;
    this.#closed = true;
    for (const part of parts) conn.write(part)?.catch(() => {});
    conn.end();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn?.destroy();
  }

  #connected(): Conn {
    if (!this.#conn || this.#closed) throw new Trouble("talk to a checker", "The connection is closed");
    return this.#conn;
  }
}
