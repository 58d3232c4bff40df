// Holding a client to its time, while it sends what is not commands.

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { codeOf } from "#base/problem.ts";
import type { Connection } from "./state.ts";

/** RFC 5321 §4.5.3.2.5 gives the client its time for each block; a byte now and then is no block. */
export class Pace {
  readonly #clock: Clock;
  readonly #patience: number;
  /** Since `restart`. */
  #bytes = 0;
  /** By when the next bytes must be there. */
  end = 0;

  constructor({ clock, patience }: { readonly clock: Clock; readonly patience: number }) {
    this.#clock = clock;
    this.#patience = patience;
    this.restart();
  }

  count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= limits.smtp.bodyBlock) this.restart();
  }

  /** The time that we took is not the client's. */
  restart(): void {
    this.#bytes = 0;
    this.end = this.#clock.monotonic() + this.#patience;
  }
}

type Read = Promise<Buffer | "timeout" | undefined> | Buffer | "timeout" | undefined;

/** The next bytes of a client, by `end` on the monotonic clock; undefined: it has gone. Trouble when the connection breaks. */
export function readBy({ stream, clock }: Pick<Connection, "stream" | "clock">, end: number): Read {
  const ms = end - clock.monotonic();
  if (ms <= 0) return "timeout";
  // whole seconds, so that the timers of all connections share a few lists
  const read = stream.read(Math.ceil(ms / 1000) * 1000);
  return read instanceof Promise ? read.catch(timeoutOrThrow) : read;
}

/** A read that took too long is what clients do; all else is trouble. */
export function timeoutOrThrow(thrown: unknown): "timeout" {
  if (codeOf(thrown) === "timeout") return "timeout";
  throw thrown;
}
