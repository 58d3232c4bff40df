// A program: delivers for one user with that user's rights, one message after the other, as lspawn says on descriptor 3 (docs/dotqmail.md
// P3–P6). It ends when lspawn is gone.

import net from "node:net";
import { systemClock } from "#base/clock.ts";
import { messageOf } from "#base/problem.ts";
import { readJson } from "#base/shape.ts";
import { type Job, UserDelivery } from "#store/dotqmail/delivery.ts";
import { Scratch } from "#sys/scratch.ts";
import { type Frame, Link } from "#talk/frame.ts";
import {
  BODY,
  DONE,
  END,
  LETTER,
  letterShape,
  MARK,
  MARKED,
  type WorkerLetter,
  type WorkerResult,
} from "#talk/worker.ts";
import { reportText } from "#wire/dotqmail/report.ts";
import { ToUnix } from "#wire/message/unix.ts";

const LINK_FD = 3;

/** What is known of the message under way. */
interface Parcel {
  readonly stream: number;
  readonly letter: WorkerLetter;
  readonly message: Scratch;
  readonly codec: ToUnix;
}

class Worker {
  readonly #link: Link;
  readonly #delivery = new UserDelivery(systemClock);
  #parcel: Parcel | undefined;
  #marked: () => void = () => {};

  constructor() {
    this.#link = new Link(new net.Socket({ fd: LINK_FD }), {
      frame: (frame) => this.#take(frame),
      closed: () => process.exit(0),
    });
  }

  #take(frame: Frame): void {
    switch (frame.kind) {
      case LETTER:
        return this.#begin(frame);
      case BODY:
      case END:
        return this.#body(frame);
      case MARKED:
        return this.#marked();
      default:
        return this.#link.fail(`frame of kind ${frame.kind}`);
    }
  }

  #begin({ stream, payload }: Frame): void {
    const letter = readJson(letterShape, payload);
    if (!letter.ok) return this.#link.fail(letter.error);
    try {
      this.#parcel = { stream, letter: letter.value, message: new Scratch(), codec: new ToUnix() };
    } catch (thrown) {
      this.#done(stream, { kind: "deferred", report: `${messageOf(thrown)}. (#4.3.0)` });
    }
  }

  /** What comes behind a failure is of no use any more. */
  #body({ kind, stream, payload }: Frame): void {
    const parcel = this.#parcel;
    if (parcel?.stream !== stream) return;
    try {
      parcel.message.write(parcel.codec.feed(payload));
      if (kind === BODY) return;
      parcel.message.write(parcel.codec.end());
    } catch (thrown) {
      return this.#finish(parcel, { kind: "deferred", report: `${messageOf(thrown)}. (#4.3.0)` });
    }
    void this.#deliver(parcel);
  }

  async #deliver(parcel: Parcel): Promise<void> {
    const { stream, letter, message } = parcel;
    const done = new Set(letter.done);
    const progress = {
      has: (key: string) => done.has(key),
      mark: (key: string) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#marked = resolve;
        this.#link.send(MARK, stream, JSON.stringify({ key }));
        return promise;
      },
    };
    this.#finish(parcel, await this.#delivery.deliver(jobOf(letter), message, progress));
  }

  #finish({ stream, message }: Parcel, result: WorkerResult): void {
    this.#parcel = undefined;
    message[Symbol.dispose]();
    this.#done(stream, result);
  }

  #done(stream: number, result: WorkerResult): void {
    this.#link.send(DONE, stream, JSON.stringify({ ...result, report: reportText(result.report) }));
  }
}

function jobOf(letter: WorkerLetter): Job {
  const { user, home, local, host, dash, extension, memory, processes, fileSize, cpu, size, ...rest } =
    letter;
  return {
    ...rest,
    target: { user, home, local, host, dash, extension },
    bounds: { memory, processes, fileSize, cpu },
    wireSize: size,
  };
}

process.title = "kenro worker";
process.umask(0o077);
new Worker();
