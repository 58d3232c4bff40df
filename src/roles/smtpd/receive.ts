// Receives the text of DATA and the octets of BDAT: undoes the dots or counts, feeds the intake, holds the client to its time.

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { codeOf } from "#base/problem.ts";
import { DotReader } from "#wire/dots.ts";
import { badBody } from "#wire/smtp/replies.ts";
import type { Intake } from "./intake.ts";
import type { Connection } from "./state.ts";

export interface Source {
  readonly clock: Clock;
  /** For each block, ms. */
  readonly patience: number;
  /** The next bytes, by `end` on the monotonic clock; undefined: the client has gone. */
  read(end: number): Promise<Buffer | "timeout" | undefined> | Buffer | "timeout" | undefined;
}

/** The next bytes of a client, by `end` on the monotonic clock. Trouble when the connection breaks. */
export function readBy(
  { stream, clock }: Pick<Connection, "stream" | "clock">,
  end: number,
): ReturnType<Source["read"]> {
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

/**
 * Feeds the intake up to the final dot, beginning with bytes that have arrived already; the bytes behind the dot. A flawed body is
 * received to its real end and then refused. Trouble when the connection breaks.
 */
export async function receive(
  intake: Intake,
  arrived: Buffer,
  source: Source,
): Promise<Buffer | "timeout" | undefined> {
  const dots = new DotReader();
  const pace = new Pace(source);
  let chunk = arrived;
  for (;;) {
    const end = dots.feed(chunk, (text) => intake.take(text));
    if (dots.flaw) intake.refuse(badBody(dots.flaw));
    if (end >= 0) return chunk.subarray(end);
    pace.count(chunk.length);
    if (intake.full) {
      await intake.pour();
      // the time that the queue took is not the client's
      pace.restart();
    }
    const read = source.read(pace.end);
    const more = read instanceof Promise ? await read : read;
    if (more === undefined || more === "timeout") return more;
    chunk = more;
  }
}

/**
 * Feeds the intake one chunk (without an intake the octets are thrown away); the bytes behind it. A flawed chunk is received to its end
 * and then refused. Trouble when the connection breaks.
 */
export async function receiveChunk(
  intake: Intake | undefined,
  octets: number,
  arrived: Buffer,
  source: Source,
): Promise<Buffer | "timeout" | undefined> {
  const pace = new Pace(source);
  let left = octets;
  let bytes = arrived;
  for (;;) {
    const part = bytes.subarray(0, Math.min(left, bytes.length));
    left -= part.length;
    intake?.takeChunk(part);
    pace.count(part.length);
    if (intake?.full) {
      await intake.pour();
      pace.restart();
    }
    if (left === 0) return bytes.subarray(part.length);
    const read = source.read(pace.end);
    const more = read instanceof Promise ? await read : read;
    if (more === undefined || more === "timeout") return more;
    bytes = more;
  }
}

/** RFC 5321 §4.5.3.2.5 gives the client its time for each block; a byte now and then is no block. */
export class Pace {
  readonly #source: Pick<Source, "clock" | "patience">;
  #bytes = 0;
  /** By when the next bytes must be there. */
  end = 0;

  constructor(source: Pick<Source, "clock" | "patience">) {
    this.#source = source;
    this.restart();
  }

  count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= limits.smtp.bodyBlock) this.restart();
  }

  restart(): void {
    this.#bytes = 0;
    this.end = this.#source.clock.monotonic() + this.#source.patience;
  }
}
