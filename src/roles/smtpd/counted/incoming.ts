// What a client of QMTP or QMQP sends, taken as lengths, bytes and commas; whatever else it does ends the connection.

import { limits } from "#base/limits.ts";
import { LengthReader } from "#wire/netstring.ts";
import { Pace, readBy } from "../pace.ts";
import type { Connection } from "../state.ts";

/** How a connection ends that does not end well. */
export type Bad = "gone" | "timeout" | "refused";

/** Thrown to the session, which catches it. */
export class Ended extends Error {
  readonly reason: Bad;

  constructor(reason: Bad) {
    super(reason);
    this.reason = reason;
  }
}

const EMPTY = Buffer.alloc(0);
const COMMA = 44;

export class Incoming {
  readonly #connection: Connection;
  readonly #end: number;
  readonly #lengths = new LengthReader();
  readonly #pace: Pace;
  #kept: Buffer = EMPTY;
  /** Bytes that the netstring around has left; more than that is none of its content. */
  #left = Number.POSITIVE_INFINITY;

  constructor(connection: Connection) {
    const { clock, door } = connection;
    this.#connection = connection;
    this.#end = clock.monotonic() + door.sessionTime;
    this.#pace = new Pace({ clock, patience: door.bodyTimeout });
  }

  /** Whether another message begins, or the client has ended where it may. */
  async begins(): Promise<boolean> {
    if (this.#kept.length > 0) return true;
    const { clock, door } = this.#connection;
    const chunk = await readBy(
      this.#connection,
      Math.min(this.#end, clock.monotonic() + door.commandTimeout),
    );
    if (chunk === "timeout") throw new Ended("timeout");
    this.#kept = chunk ?? EMPTY;
    this.#pace.restart();
    return chunk !== undefined;
  }

  /** The length of the next netstring. */
  async length(most: number): Promise<number> {
    for (;;) {
      const head = this.#lengths.feed(this.#kept, 0, most);
      if (head.kind === "flaw") throw new Ended("refused");
      this.#pass(head.kind === "length" ? head.end : this.#kept.length);
      if (head.kind === "length") return head.length;
      await this.#more();
    }
  }

  /** Gives so many bytes to `take`, as they come; undefined: throws them away. */
  async bytes(length: number, take: ((chunk: Buffer) => void) | undefined): Promise<void> {
    let left = length;
    while (left > 0) {
      if (this.#kept.length === 0) await this.#more();
      const part = this.#kept.subarray(0, Math.min(left, this.#kept.length));
      this.#pass(part.length);
      left -= part.length;
      take?.(part);
    }
  }

  async byte(): Promise<number> {
    let found = -1;
    await this.bytes(1, (chunk) => {
      found = chunk[0] ?? -1;
    });
    return found;
  }

  async comma(): Promise<void> {
    if ((await this.byte()) !== COMMA) throw new Ended("refused");
  }

  /** A netstring with an address, as bytes, one a character; undefined when it is too long or has a NUL. */
  async address(): Promise<string | undefined> {
    const length = await this.length(limits.counted.longest);
    const parts: Buffer[] = [];
    const short = length <= limits.counted.address;
    await this.bytes(length, short ? (chunk) => void parts.push(chunk) : undefined);
    await this.comma();
    const text = Buffer.concat(parts).toString("latin1");
    return short && !text.includes("\0") ? text : undefined;
  }

  /** All addresses up to the end of the netstring around. Too many end the connection. */
  async addresses(): Promise<readonly (string | undefined)[]> {
    const found: (string | undefined)[] = [];
    while (this.#left > 0) {
      if (found.length >= limits.counted.answers) throw new Ended("refused");
      found.push(await this.address());
    }
    return found;
  }

  /** What follows lies within a netstring of this length, with its comma behind. */
  async within<T>(length: number, read: () => Promise<T>): Promise<T> {
    this.#left = length;
    const found = await read();
    if (this.#left > 0) throw new Ended("refused");
    this.#left = Number.POSITIVE_INFINITY;
    await this.comma();
    return found;
  }

  /** The time that we took is not the client's. */
  restart(): void {
    this.#pace.restart();
  }

  #pass(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) throw new Ended("refused");
    this.#kept = this.#kept.subarray(bytes);
    this.#pace.count(bytes);
  }

  async #more(): Promise<void> {
    const chunk = await readBy(this.#connection, Math.min(this.#end, this.#pace.end));
    if (chunk === undefined) throw new Ended("gone");
    if (chunk === "timeout") throw new Ended("timeout");
    this.#kept = chunk;
  }
}
