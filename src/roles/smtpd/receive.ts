// Receives the text of DATA and the octets of BDAT: undoes the dots or counts, feeds the intake, holds the client to its time.

import type { Clock } from "#base/clock.ts";
import { discard } from "#sys/garbage.ts";
import { DotReader } from "#wire/dots.ts";
import { badBody } from "#wire/smtp/replies.ts";
import type { Intake } from "./intake.ts";
import { Pace } from "./pace.ts";

export interface Source {
  readonly clock: Clock;
  /** For each block, ms. */
  readonly patience: number;
  /** The next bytes, by `end` on the monotonic clock; undefined: the client has gone. */
  read(end: number): Promise<Buffer | "timeout" | undefined> | Buffer | "timeout" | undefined;
}

/**
 * Feeds the intake up to the final dot, beginning with bytes that have arrived already; the bytes behind the dot. A flawed body is
 * received to its real end and then refused. Trouble when the connection breaks.
 */
export function receive(
  intake: Intake,
  arrived: Buffer,
  source: Source,
): Promise<Buffer | "timeout" | undefined> {
  const dots = new DotReader();
  return pump(intake, new Arrivals(arrived, source), (bytes) => {
    const end = dots.feed(bytes, (text) => intake.take(text));
    if (dots.flaw) intake.refuse(badBody(dots.flaw));
    return end;
  });
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
  let left = octets;
  const rest = await pump(intake, new Arrivals(arrived, source), (bytes) => {
    const part = bytes.subarray(0, Math.min(left, bytes.length));
    left -= part.length;
    intake?.takeChunk(part);
    return left === 0 ? part.length : -1;
  });
  // the next chunk may be long in coming
  if (intake?.full) await intake.pour();
  return rest;
}

/** Feeds what arrives until `feed` says where the end is in it (else −1); the bytes behind the end. */
async function pump(
  intake: Intake | undefined,
  arrivals: Arrivals,
  feed: (bytes: Buffer) => number,
): Promise<Buffer | "timeout" | undefined> {
  for (;;) {
    const rest = arrivals.feed(feed, intake === undefined || intake.refusal !== undefined);
    if (rest !== undefined) return rest;
    if (intake?.full) {
      await intake.pour();
      // the time that the queue took is not the client's
      arrivals.restart();
    }
    const came = arrivals.next();
    const how = came instanceof Promise ? await came : came;
    if (how !== "more") return how === "gone" ? undefined : how;
  }
}

/**
 * What has arrived, held in one place until it is fed: a function that waits for more would keep all that it has seen in its variables
 * meanwhile, 64 KiB for each of many clients. Holds the client to its time, too.
 */
class Arrivals {
  readonly #source: Source;
  readonly #pace: Pace;
  #bytes: Buffer;

  constructor(arrived: Buffer, source: Source) {
    this.#bytes = arrived;
    this.#source = source;
    this.#pace = new Pace(source);
  }

  /** Feeds what is there; what is behind the end, if that came. Bytes that are thrown away give their memory back at once. */
  feed(feed: (bytes: Buffer) => number, thrownAway: boolean): Buffer | undefined {
    const bytes = this.#bytes;
    this.#bytes = NOTHING;
    const end = feed(bytes);
    if (end >= 0) return bytes.subarray(end);
    this.#pace.count(bytes.length);
    if (thrownAway) discard(bytes);
    return undefined;
  }

  next(): Promise<"more" | "timeout" | "gone"> | "more" | "timeout" | "gone" {
    const read = this.#source.read(this.#pace.end);
    return read instanceof Promise ? read.then((bytes) => this.#took(bytes)) : this.#took(read);
  }

  restart(): void {
    this.#pace.restart();
  }

  #took(bytes: Buffer | "timeout" | undefined): "more" | "timeout" | "gone" {
    if (bytes === "timeout") return "timeout";
    if (bytes === undefined) return "gone";
    this.#bytes = bytes;
    return "more";
  }
}

const NOTHING = Buffer.alloc(0);
