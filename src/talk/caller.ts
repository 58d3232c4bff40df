// The asking side of a conversation: one link to another role, dialled again whenever it is lost. Questions that were under way
// when it was lost end in Trouble, which is always temporary for whoever asked.

import type { Socket } from "node:net";
import { type Clock, pause, type Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { codeOf, messageOf, Trouble } from "#base/problem.ts";
import { readJson, type Shape } from "#base/shape.ts";
import { dial } from "#sys/local.ts";
import { type Frame, Link } from "./frame.ts";

/** A question with one answer, both JSON; `kind` is the frame's. */
export interface Verb<Q, A> {
  readonly kind: number;
  readonly question: Shape<Q>;
  readonly answer: Shape<A>;
}

/** Answer to a question that could not be answered: payload is one sentence. Always temporary. */
export const SORRY = 255;

interface Waiting {
  frame(frame: Frame): void;
  lost(reason: Trouble): void;
}

export interface CallerOptions {
  readonly path: string;
  readonly clock: Clock;
  /** Told when a link is made and when it is lost, for the log and for conversations that greet. */
  readonly linked?: (link: Link) => void;
  readonly lost?: (reason: Trouble) => void;
  /** Frames that answer no question (stream 0). */
  readonly unasked?: (frame: Frame) => void;
}

export class Caller {
  readonly #options: CallerOptions;
  readonly #waiting = new Map<number, Waiting>();
  #link: Link | undefined;
  #dialling: Promise<Link> | undefined;
  #stream = 0;
  #closed = false;

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  /** Keeps a link up from now on, instead of dialling at the first question; for conversations where the answerer speaks too. */
  keepUp(): void {
    if (this.#closed || this.#link) return;
    this.#ready().catch(() => this.#options.clock.after(limits.talk.connectRetryMax, () => this.keepUp()));
  }

  /** Asks one question; the answer, or Trouble when the role is away, silent for `ms`, or sorry. */
  async ask<Q, A>(verb: Verb<Q, A>, question: Q, ms: number = limits.talk.answer): Promise<A> {
    const link = await this.#ready();
    const frame = await this.#exchange(link, verb.kind, JSON.stringify(question), ms);
    if (frame.kind === SORRY) throw new Trouble("ask", frame.payload.toString());
    const answer = readJson(verb.answer, frame.payload);
    if (answer.ok) return answer.value;
    link.fail(`Cannot read the answer to question ${verb.kind}: ${answer.error}`);
    throw new Trouble("ask", answer.error);
  }

  /** Opens a stream: a link, its number, and the frames that come back on it until `end`. */
  async stream(events: Waiting): Promise<{ link: Link; stream: number; end: () => void }> {
    const link = await this.#ready();
    const stream = this.#next();
    this.#waiting.set(stream, events);
    return { link, stream, end: () => void this.#waiting.delete(stream) };
  }

  /** The link if there is one now. */
  get link(): Link | undefined {
    return this.#link;
  }

  close(): void {
    this.#closed = true;
    this.#link?.end();
  }

  #next(): number {
    // 0 is for frames nobody asked for; numbers in use are far behind when the counter comes round
    this.#stream = (this.#stream % 0xffff_fffe) + 1;
    return this.#stream;
  }

  #exchange(link: Link, kind: number, question: string, ms: number): Promise<Frame> {
    return new Promise((resolve, reject) => {
      const stream = this.#next();
      const timer: Timer = this.#options.clock.after(ms, () => {
        this.#waiting.delete(stream);
        reject(Trouble.timeout(`ask ${this.#options.path}`, ms));
      });
      this.#waiting.set(stream, {
        frame: (frame) => {
          timer.cancel();
          this.#waiting.delete(stream);
          resolve(frame);
        },
        lost: (reason) => {
          timer.cancel();
          reject(reason);
        },
      });
      link.send(kind, stream, question);
    });
  }

  #ready(): Promise<Link> {
    if (this.#link) return Promise.resolve(this.#link);
    if (this.#closed) return Promise.reject(new Trouble("ask", "This role is stopping"));
    this.#dialling ??= this.#dial().finally(() => {
      this.#dialling = undefined;
    });
    return this.#dialling;
  }

  async #dial(): Promise<Link> {
    const socket = await this.#patientDial();
    if (this.#closed) {
      socket.destroy();
      throw new Trouble("ask", "This role is stopping");
    }
    const link = new Link(socket, {
      frame: (frame) => this.#take(frame),
      closed: (reason) => this.#lose(link, reason),
    });
    this.#link = link;
    this.#options.linked?.(link);
    return link;
  }

  /** While the server starts, the other role may not listen yet; once it has, its socket outlives it. */
  async #patientDial(): Promise<Socket> {
    const { path, clock } = this.#options;
    const end = clock.monotonic() + limits.talk.connectPatience;
    for (;;) {
      try {
        return await dial(path, limits.talk.answer);
      } catch (thrown) {
        const early = codeOf(thrown) === "ECONNREFUSED" || codeOf(thrown) === "ENOENT";
        if (this.#closed || !early || clock.monotonic() >= end) {
          throw new Trouble("ask", `Cannot reach ${path}: ${messageOf(thrown)}`, thrown);
        }
        await pause(clock, limits.talk.connectRetry);
      }
    }
  }

  #take(frame: Frame): void {
    if (frame.stream === 0) return this.#options.unasked?.(frame);
    // an answer that nobody waits for any more came too late
    this.#waiting.get(frame.stream)?.frame(frame);
  }

  #lose(link: Link, reason: Trouble): void {
    if (this.#link === link) this.#link = undefined;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const each of waiting) each.lost(reason);
    this.#options.lost?.(reason);
  }
}
