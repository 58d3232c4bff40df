// Framing of every conversation between roles: u32 length, u8 kind, u32 stream, payload (all big-endian; length counts what follows it).
// One Link is one connection. A peer's garbage is the peer's failure: the link closes with a reason, nobody else notices.

import type { Socket } from "node:net";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";

const HEADER = 9;

/** The first frame on every link, both ways: `{"version":1}`. Roles of two releases do not misread each other. */
export const HELLO = 0;
export const VERSION = 1;

export interface Frame {
  readonly kind: number;
  /** The question this belongs to; chosen by the side that asks. */
  readonly stream: number;
  readonly payload: Buffer;
}

export interface LinkEvents {
  frame(frame: Frame): void;
  /** Once, whatever ended the link. */
  closed(reason: Trouble): void;
}

/** One frame as bytes. */
export function formatFrame(kind: number, stream: number, payload: Buffer | string = ""): Buffer {
  const size = typeof payload === "string" ? Buffer.byteLength(payload) : payload.length;
  const bytes = formatHead(kind, stream, size, size);
  if (typeof payload === "string") bytes.write(payload, HEADER);
  else payload.copy(bytes, HEADER);
  return bytes;
}

/** Cuts a byte stream into frames; tells the first thing that is wrong and then stays silent. */
/** What stands before a payload of `size` bytes, with `room` bytes behind it. */
function formatHead(kind: number, stream: number, size: number, room = 0): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER + room);
  bytes.writeUInt32BE(HEADER - 4 + size, 0);
  bytes[4] = kind;
  bytes.writeUInt32BE(stream, 5);
  return bytes;
}

export class FrameReader {
  readonly #max: number;
  #kept: Buffer[] = [];
  #size = 0;
  #wanted = HEADER;

  constructor(max: number = limits.talk.frame) {
    this.#max = max;
  }

  /** All frames that are complete now, or a sentence on what is wrong. Payloads are views: copy what is kept. */
  feed(chunk: Buffer): readonly Frame[] | string {
    this.#kept.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#wanted) return [];
    const bytes = this.#kept.length === 1 ? chunk : Buffer.concat(this.#kept, this.#size);
    const frames: Frame[] = [];
    let at = 0;
    this.#wanted = HEADER;
    while (bytes.length - at >= HEADER) {
      const length = bytes.readUInt32BE(at);
      if (length < 5 || length > this.#max) return `frame of ${length} bytes`;
      if (bytes.length - at < 4 + length) {
        this.#wanted = 4 + length;
        break;
      }
      frames.push({
        kind: bytes.readUInt8(at + 4),
        stream: bytes.readUInt32BE(at + 5),
        payload: bytes.subarray(at + HEADER, at + 4 + length),
      });
      at += 4 + length;
    }
    this.#kept = at < bytes.length ? [bytes.subarray(at)] : [];
    this.#size = bytes.length - at;
    return frames;
  }
}

/** Frames of one turn leave as one buffer up to this size: to copy them costs less than a vector of them. Body chunks at least this long are not
 * copied. */
const COPIED = 32 * 1024;

export class Link {
  readonly #socket: Socket;
  readonly #events: LinkEvents;
  readonly #reader: FrameReader;
  #greeted = false;
  /** Frames of this turn. */
  #gathered: Buffer[] = [];
  #size = 0;
  #reason: Trouble | undefined;
  #drained: (() => void)[] = [];

  constructor(socket: Socket, events: LinkEvents, maxFrame: number = limits.talk.frame) {
    this.#socket = socket;
    this.#events = events;
    this.#reader = new FrameReader(maxFrame);
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("drain", () => this.#wake());
    socket.on("error", (error) => {
      this.#reason ??= Trouble.from("talk", error);
    });
    socket.on("close", () => {
      this.#wake();
      events.closed(
        this.#reason ?? new Trouble("talk", "The other side closed the connection", { code: "closed" }),
      );
    });
    this.send(HELLO, 0, JSON.stringify({ version: VERSION }));
  }

  get open(): boolean {
    return !this.#socket.destroyed && this.#socket.writable;
  }

  /** Sends one frame; all frames of one turn leave in one write. False: wait for `drained` before sending much more. */
  send(kind: number, stream: number, payload: Buffer | string = ""): boolean {
    if (!this.open) return true;
    if (typeof payload === "string" || payload.length < COPIED)
      this.#gather(formatFrame(kind, stream, payload));
    else {
      this.#gather(formatHead(kind, stream, payload.length));
      this.#gather(payload);
    }
    return this.#socket.writableLength + this.#size < this.#socket.writableHighWaterMark;
  }

  /** Resolves when what was sent has left, or the link has closed. */
  drained(): Promise<void> {
    this.#leave();
    if (!this.open || !this.#socket.writableNeedDrain) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  /** Stops reading until `release`: the sender's kernel buffer fills and the sender waits. */
  hold(): void {
    this.#socket.pause();
  }

  release(): void {
    this.#socket.resume();
  }

  /** Ends the link because of what the peer sent, or because of us. */
  fail(message: string): void {
    this.#reason ??= new Trouble("talk", message);
    this.#socket.destroy();
  }

  /** Ends the link after what was sent has left. */
  end(): void {
    this.#leave();
    this.#socket.end();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }

  #gather(bytes: Buffer): void {
    if (this.#size === 0) setImmediate(() => this.#leave());
    this.#gathered.push(bytes);
    this.#size += bytes.length;
  }

  /** Everything gathered leaves now. */
  #leave(): void {
    const [gathered, size] = [this.#gathered, this.#size];
    if (size === 0) return;
    this.#gathered = [];
    this.#size = 0;
    const [only] = gathered;
    if (only && gathered.length === 1) this.#socket.write(only);
    else if (size <= COPIED) this.#socket.write(Buffer.concat(gathered, size));
    else {
      this.#socket.cork();
      for (const bytes of gathered) this.#socket.write(bytes);
      this.#socket.uncork();
    }
  }

  #take(chunk: Buffer): void {
    const frames = this.#reader.feed(chunk);
    if (typeof frames === "string") return this.fail(`The peer sent garbage: ${frames}`);
    for (const frame of frames) {
      if (this.#socket.destroyed) return;
      if (this.#greeted) this.#events.frame(frame);
      else this.#greet(frame);
    }
  }

  #greet(frame: Frame): void {
    if (frame.kind !== HELLO || frame.payload.toString() !== JSON.stringify({ version: VERSION })) {
      return this.fail("The peer speaks another version of talk; restart the server");
    }
    this.#greeted = true;
  }

  #wake(): void {
    const waiting = this.#drained;
    this.#drained = [];
    for (const resolve of waiting) resolve();
  }
}
