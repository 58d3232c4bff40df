// inject: smtpd hands a message to the queue. The queue greets with a prefix for ids; then, per message, on a stream of its own:
//   BEGIN {id, session, envelope} → BODY bytes … → END fields (or REJECTED fields, or ABORT)   RESULT {queued | refused} ←
// RESULT may come before END when the queue will not take the message; what follows on that stream is then thrown away. Fields in END stand before all that BODY brought:
// what is known of a message only when it is whole. REJECTED is the END of a message that its sender was refused.

import type { Socket } from "node:net";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf, Trouble } from "#base/problem.ts";
import { oneOf, readJson, record, type Shape, type Shaped, text, union, word } from "#base/shape.ts";
import { type Answering, answer } from "#sys/local.ts";
import { type Envelope, envelopeShape } from "#wire/envelope.ts";
import { Caller } from "./caller.ts";
import { type Frame, Link } from "./frame.ts";

const PREFIX = 1;
const BEGIN = 2;
const BODY = 3;
const END = 4;
const ABORT = 5;
const RESULT = 6;
const REJECTED = 7;

const prefixShape = record({ prefix: text(40) });

const headShape = record({ id: text(64), session: text(64), envelope: envelopeShape });

/** What the queue must know of a message before its body. */
export type InjectHead = Shaped<typeof headShape>;

const queued = record({ kind: word("queued"), id: text(64) });
const refused = record({
  kind: word("refused"),
  /** "full": no room now (452); "later": try again (451); "never": this message cannot be taken (554). */
  reason: oneOf("full", "later", "never"),
  text: text(500),
});

export type InjectResult = Shaped<typeof queued> | Shaped<typeof refused>;

const resultShape: Shape<InjectResult> = union<InjectResult>({ queued, refused });

// ---- the asking side (smtpd) ----

export interface Injection {
  readonly id: string;
  /** The queue's early refusal, if there is one; more body is pointless then. */
  readonly refused: InjectResult | undefined;
  /** Sends a part of the body. False: wait for `drained` first. */
  write(chunk: Buffer): boolean;
  drained(): Promise<void>;
  /** Ends the body; resolves when the message is durable or refused. Trouble: unknown, so say 451. `fields`, whole lines of at most
   * `limits.queue.front` bytes, go before everything that was written. */
  commit(fields?: string): Promise<InjectResult>;
  /** Ends the body of a message that is refused and may be kept for its recipients. */
  reject(fields: string): Promise<InjectResult>;
  abort(): void;
}

export class Injector {
  readonly #caller: Caller;
  #prefix: string | undefined;
  #count = 0;
  #waiting: (() => void)[] = [];

  constructor(path: string, clock: Clock) {
    this.#caller = new Caller({
      path,
      clock,
      unasked: (frame) => this.#greeted(frame),
      lost: () => {
        this.#prefix = undefined;
        this.#caller.keepUp();
      },
    });
    this.#caller.keepUp();
  }

  /** Starts a message. Trouble when the queue is away. */
  async begin(session: string, envelope: Envelope): Promise<Injection> {
    const events = new Progress();
    const { link, stream, end } = await this.#caller.stream(events);
    const prefix = this.#prefix ?? (await this.#greeting());
    const id = `${prefix}-${(++this.#count).toString(36)}`;
    link.send(BEGIN, stream, JSON.stringify({ id, session, envelope } satisfies InjectHead));
    events.result.finally(end).catch(() => {
      // whoever waits for the result hears of it
    });
    return {
      id,
      get refused() {
        return events.early;
      },
      write: (chunk) => events.early !== undefined || link.send(BODY, stream, chunk),
      drained: () => link.drained(),
      commit: (fields = "") => {
        link.send(END, stream, fields);
        return events.result;
      },
      reject: (fields) => {
        link.send(REJECTED, stream, fields);
        return events.result;
      },
      abort: () => {
        link.send(ABORT, stream);
        events.lost(new Trouble("inject", "Aborted", { code: "aborted" }));
      },
    };
  }

  close(): void {
    this.#caller.close();
  }

  #greeted(frame: Frame): void {
    const greeting = frame.kind === PREFIX ? readJson(prefixShape, frame.payload) : undefined;
    if (!greeting?.ok) return this.#caller.link?.fail("The queue's greeting cannot be read");
    this.#prefix = greeting.value.prefix;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  async #greeting(): Promise<string> {
    await Promise.race([
      new Promise<void>((resolve) => this.#waiting.push(resolve)),
      new Promise<void>((resolve) => setTimeout(resolve, 5000).unref()),
    ]);
    if (this.#prefix === undefined) throw new Trouble("inject", "The queue does not greet");
    return this.#prefix;
  }
}

/** The result of one injection: told once, by the queue or by the loss of the link. */
class Progress {
  readonly result: Promise<InjectResult>;
  early: InjectResult | undefined;
  #resolve: (result: InjectResult) => void = () => {};
  #reject: (reason: Trouble) => void = () => {};

  constructor() {
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // an injection that is abandoned has nobody waiting
    this.result.catch(() => {});
  }

  frame(frame: Frame): void {
    const result = frame.kind === RESULT ? readJson(resultShape, frame.payload) : undefined;
    if (!result?.ok) return this.lost(new Trouble("inject", "The queue's answer cannot be read"));
    if (result.value.kind === "refused") this.early = result.value;
    this.#resolve(result.value);
  }

  lost(reason: Trouble): void {
    this.#reject(reason);
  }
}

// ---- the answering side (queue) ----

/** One message on its way in. */
export interface Draft {
  /** A promise: the link is held until it resolves (back-pressure). The chunk is a view; it is not changed afterwards. */
  write(chunk: Buffer): Promise<void> | undefined;
  /** Resolves when the message, `fields` before its body, is durable or refused; never rejects. `rejected`: its sender is told that it is refused. */
  commit(fields: string, rejected?: boolean): Promise<InjectResult>;
  abort(): void;
}

export interface Intake {
  /** A prefix for the ids of one link, never given before. */
  prefix(): string;
  /** A draft, or why there is none. */
  begin(head: InjectHead): Draft | InjectResult;
  trouble(message: string): void;
}

/** Answers injections on an inherited descriptor (or a path). */
export function answerInjections(at: number | string, intake: Intake): Promise<Answering> {
  return answer(at, (socket) => new InjectLink(socket, intake));
}

class InjectLink {
  readonly #intake: Intake;
  readonly #link: Link;
  readonly #drafts = new Map<number, Draft>();
  readonly #prefix: string;
  #held = 0;

  constructor(socket: Socket, intake: Intake) {
    this.#intake = intake;
    this.#prefix = intake.prefix();
    this.#link = new Link(socket, { frame: (frame) => this.#take(frame), closed: () => this.#closed() });
    this.#link.send(PREFIX, 0, JSON.stringify({ prefix: this.#prefix }));
  }

  #take(frame: Frame): void {
    switch (frame.kind) {
      case BEGIN:
        return this.#begin(frame);
      case BODY:
        return this.#hold(this.#drafts.get(frame.stream)?.write(frame.payload));
      case END:
      case REJECTED:
        return void this.#end(frame);
      case ABORT:
        this.#drafts.get(frame.stream)?.abort();
        this.#drafts.delete(frame.stream);
        return;
      default:
        return this.#garbage(`frame of kind ${frame.kind}`);
    }
  }

  #begin(frame: Frame): void {
    const head = readJson(headShape, frame.payload);
    if (!head.ok) return this.#garbage(head.error);
    // a link may only name messages after its own prefix, so that its thief cannot take the id of anybody else's message
    if (!this.#mayName(head.value.id)) return this.#garbage(`id "${head.value.id}"`);
    if (this.#drafts.has(frame.stream)) return this.#garbage(`a second message on stream ${frame.stream}`);
    const draft = this.#intake.begin(head.value);
    if ("kind" in draft) return this.#result(frame.stream, draft);
    this.#drafts.set(frame.stream, draft);
  }

  /** Ids become file names: nothing but a count may follow the prefix. */
  #mayName(id: string): boolean {
    const start = `${this.#prefix}-`;
    return id.startsWith(start) && /^[0-9a-z]{1,12}$/.test(id.slice(start.length));
  }

  async #end({ kind, stream, payload }: Frame): Promise<void> {
    const draft = this.#drafts.get(stream);
    if (payload.length > limits.queue.front) return this.#garbage(`${payload.length} bytes of fields`);
    // no draft: it was refused at once, and the answer has been given
    if (!draft) return;
    this.#drafts.delete(stream);
    this.#result(stream, await draft.commit(payload.toString("utf8"), kind === REJECTED));
  }

  #result(stream: number, result: InjectResult): void {
    this.#link.send(RESULT, stream, JSON.stringify(result));
  }

  #hold(busy: Promise<void> | undefined): void {
    if (!busy) return;
    if (++this.#held === 1) this.#link.hold();
    busy
      .catch((thrown: unknown) => this.#intake.trouble(`Cannot keep a body: ${messageOf(thrown)}`))
      .finally(() => {
        if (--this.#held === 0) this.#link.release();
      });
  }

  #garbage(why: string): void {
    this.#intake.trouble(`A peer sent garbage: ${why}`);
    this.#link.fail(why);
  }

  #closed(): void {
    for (const draft of this.#drafts.values()) draft.abort();
    this.#drafts.clear();
  }
}

/** How long smtpd waits for RESULT after END. */
export const INJECT_DEADLINE = limits.talk.inject;
