// handover: gate gives a logged-in connection to a reader. One frame on a fresh connection, then only the client's and the
// reader's own bytes. The reader's first byte means it took the session; closing before that means it could not.

import type { Socket } from "node:net";
import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";
import { flag, oneOf, readJson, record, type Shaped, text } from "#base/shape.ts";
import { FrameReader, formatFrame } from "./frame.ts";

const KIND = 1;

const handoverShape = record({
  protocol: oneOf("imap", "pop3"),
  ticket: text(64),
  /** The IMAP tag of the command that logged in: the reader gives its tagged OK. */
  tag: text(256),
  /** For the log, and for what the session may offer. */
  session: text(64),
  address: text(64),
  tls: flag,
});

export type Handover = Shaped<typeof handoverShape>;

/** What gate writes first on its connection to a reader. */
export function formatHandover(handover: Handover): Buffer {
  return formatFrame(KIND, 0, JSON.stringify(handover));
}

export interface Received {
  readonly handover: Handover;
  /** What the client had already sent behind its login. */
  readonly rest: Buffer;
}

/** Reads the frame; the socket is paused afterwards and `rest` holds what came behind it. */
export function readHandover(socket: Socket): Promise<Result<Received>> {
  return new Promise((resolve) => {
    const reader = new FirstFrame();
    const finish = (result: Result<Received>) => {
      socket.pause();
      socket.off("data", take).off("close", lost).off("error", lost);
      clearTimeout(timer);
      resolve(result);
    };
    const take = (chunk: Buffer) => {
      const result = reader.feed(chunk);
      if (result) finish(result);
    };
    const lost = () => finish(err("the connection closed"));
    const timer = setTimeout(() => finish(err("no handover came")), limits.talk.answer);
    socket.on("data", take).on("close", lost).on("error", lost);
  });
}

/** Collects exactly one frame and leaves what follows it untouched. */
class FirstFrame {
  #kept = Buffer.alloc(0);

  feed(chunk: Buffer): Result<Received> | undefined {
    this.#kept = Buffer.concat([this.#kept, chunk]);
    if (this.#kept.length < 4) return undefined;
    const end = 4 + this.#kept.readUInt32BE(0);
    if (end > limits.talk.frame) return err("the frame is too long");
    if (this.#kept.length < end) return undefined;
    const frames = new FrameReader().feed(this.#kept.subarray(0, end));
    const frame = typeof frames === "string" ? undefined : frames[0];
    if (frame?.kind !== KIND) return err("the first frame is no handover");
    const handover = readJson(handoverShape, frame.payload);
    return handover.ok ? ok({ handover: handover.value, rest: this.#kept.subarray(end) }) : handover;
  }
}
