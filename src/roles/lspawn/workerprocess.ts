// One worker as lspawn sees it: a process of a user, given one message at a time. Nothing that it says is believed beyond this message.

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import { readJson } from "#base/shape.ts";
import { keyPattern } from "#store/dotqmail/follow.ts";
import type { LetterBody } from "#store/maildir/deliver.ts";
import { type Identity, startAsUser, type UserProcess } from "#sys/userchild.ts";
import { type Frame, Link } from "#talk/frame.ts";
import {
  BODY,
  DONE,
  END,
  LETTER,
  MARK,
  MARKED,
  markShape,
  resultShape,
  type WorkerLetter,
  type WorkerResult,
} from "#talk/worker.ts";

/** Over the time of a delivery, so that the worker can say itself what took so long. */
const GRACE = 5000;

/** What a worker that failed has printed. */
const COMPLAINT = 1000;

export interface Parcel {
  readonly letter: WorkerLetter;
  readonly body: LetterBody;
  /** A line is done; resolves when that is durable. */
  readonly mark: (key: string) => Promise<void>;
}

interface UnderWay {
  readonly stream: number;
  readonly parcel: Parcel;
  marks: number;
  /** It has answered: the rest of the body is of no use. */
  over: boolean;
  readonly resolve: (result: WorkerResult) => void;
  readonly reject: (reason: Trouble) => void;
}

export class WorkerProcess {
  readonly identity: Identity;
  /** Resolves when nothing of it is left. */
  readonly ended: Promise<void>;
  /** Deliveries made. */
  made = 0;
  readonly #clock: Clock;
  readonly #process: UserProcess;
  readonly #link: Link;
  #under: UnderWay | undefined;
  #gone = false;
  #complaint = "";

  constructor(clock: Clock, identity: Identity, command: readonly string[]) {
    this.identity = identity;
    this.#clock = clock;
    this.#process = startAsUser(identity, command);
    const child = this.#process.process;
    child.stderr?.setEncoding("utf8");
    child.stderr?.on("data", (text: string) => {
      this.#complaint = (this.#complaint + text).slice(-COMPLAINT);
    });
    this.#link = new Link(this.#process.link, {
      frame: (frame) => this.#take(frame),
      closed: () => this.end(),
    });
    this.ended = new Promise((resolve) => {
      const over = () => {
        this.#gone = true;
        this.#link.fail("It has ended");
        const words = this.#complaint.trim();
        this.#fail(new Trouble("work", `The worker ended${words === "" ? "" : `: ${words}`}`));
        resolve();
      };
      child.on("error", (error) => {
        this.#complaint += error.message;
        over();
      });
      child.on("exit", over);
    });
  }

  get usable(): boolean {
    return !this.#gone && this.#link.open;
  }

  /** Ends it and all that it has started. */
  end(): void {
    this.#process.kill();
  }

  /** What became of one message. Trouble when the worker ended or took too long, or the body cannot be read. */
  async deliver(parcel: Parcel): Promise<WorkerResult> {
    this.made++;
    const { promise, resolve, reject } = Promise.withResolvers<WorkerResult>();
    const under: UnderWay = { stream: this.made, parcel, marks: 0, over: false, resolve, reject };
    this.#under = under;
    const most = parcel.letter.time + GRACE + limits.lspawn.start;
    const timer = this.#clock.after(most, () => {
      this.#fail(Trouble.timeout("deliver", most));
      this.end();
    });
    this.#send(under).catch((thrown: unknown) => {
      // half a message must not be taken for a whole one
      this.#fail(Trouble.from("send the message", thrown));
      this.end();
    });
    try {
      return await promise;
    } finally {
      under.over = true;
      timer.cancel();
      this.#under = undefined;
    }
  }

  async #send(under: UnderWay): Promise<void> {
    const { stream, parcel } = under;
    this.#link.send(LETTER, stream, JSON.stringify(parcel.letter));
    for await (const chunk of parcel.body.chunks()) {
      if (under.over) return;
      for (let at = 0; at < chunk.length; at += PIECE)
        if (!this.#link.send(BODY, stream, chunk.subarray(at, at + PIECE))) await this.#link.drained();
    }
    this.#link.send(END, stream);
  }

  #take(frame: Frame): void {
    const under = this.#under;
    if (!under || frame.stream !== under.stream) return this.#garbage("it speaks of no message of now");
    if (frame.kind === MARK) return this.#mark(under, frame);
    if (frame.kind !== DONE) return this.#garbage(`frame of kind ${frame.kind}`);
    const result = readJson(resultShape, frame.payload);
    if (!result.ok) return this.#garbage(result.error);
    under.resolve(result.value);
  }

  #mark(under: UnderWay, { stream, payload }: Frame): void {
    const mark = readJson(markShape, payload);
    if (!mark.ok || !keyPattern.test(mark.value.key) || ++under.marks > limits.lspawn.keys)
      return this.#garbage("a key that is none, or too many");
    under.parcel.mark(mark.value.key).then(
      () => void this.#link.send(MARKED, stream),
      (thrown: unknown) => {
        this.#fail(Trouble.from("note what is done", thrown));
        this.end();
      },
    );
  }

  #garbage(why: string): void {
    this.#fail(new Trouble("work", `The worker said something strange: ${why}`));
    this.end();
  }

  #fail(reason: Trouble): void {
    this.#under?.reject(reason);
  }
}

const PIECE = 64 * 1024;
