// A queue with everything around it in one process: talk sockets in a temporary directory, a local and a remote that do what the test says.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { type Clock, systemClock } from "#base/clock.ts";
import type { SliceOf } from "#config/slice.ts";
import { Logger } from "#log/logger.ts";
import { openQueue, type Queue, type QueueOptions } from "#roles/queue/queue.ts";
import { openBody } from "#store/spool/source.ts";
import type { Disk } from "#sys/disk.ts";
import { answerVerbs, on } from "#talk/answerer.ts";
import { Caller, type Verb } from "#talk/caller.ts";
import { type Delivery, deliver } from "#talk/deliver.ts";
import { answerInjections, Injector, type InjectResult } from "#talk/inject.ts";
import { isLocal } from "#talk/lookup.ts";
import type { Envelope, Outcome } from "#wire/envelope.ts";

export interface Delivered {
  readonly to: "local" | "remote";
  readonly delivery: Delivery;
  readonly body: string;
}

type Answer = (delivery: Delivery, address: string) => Outcome | Promise<Outcome>;

export const delivered: Outcome = { kind: "delivered", by: "test" };
export const deferred = (code = "4.3.0", text = "try later"): Outcome => ({
  kind: "deferred",
  why: { code, text },
});
export const failed = (code = "5.1.1", text = "no such user"): Outcome => ({
  kind: "failed",
  why: { code, text },
});

export class QueueWorld {
  readonly directory: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly spool: string;
  readonly attempts: Delivered[] = [];
  readonly lines: string[] = [];
  localDomains = new Set(["here.test", "mx.here.test"]);
  local: Answer = () => delivered;
  remote: Answer = () => delivered;
  slice: SliceOf<"queue"> = {
    log: "info",
    reporter: "",
    hostname: "mx.here.test",
    lifetime: 604_800_000,
    localConcurrency: 20,
    remoteConcurrency: 20,
    destinationConcurrency: 10,
    destinationStart: 10,
    freeSpace: 0,
    dropDomain: "here.test",
    dropDefaultDomain: "here.test",
    dropPlusDomain: "test",
    dropSize: 1_000_000,
    percentHack: [],
  };
  readonly #context: TestContext;
  readonly #callers: { readonly name: string; readonly caller: Caller }[] = [];

  constructor(context: TestContext, disk: Disk, clock: Clock = systemClock) {
    this.#context = context;
    this.disk = disk;
    this.clock = clock;
    this.directory = mkdtempSync(path.join(tmpdir(), "kenro-queue-"));
    this.spool = path.join(this.directory, "spool");
    context.after(() => rmSync(this.directory, { recursive: true, force: true }));
  }

  path(name: string): string {
    return path.join(this.directory, `${name}.sock`);
  }

  /** Serves auth, local and remote. */
  async serve(): Promise<void> {
    await this.answer("auth", [on(isLocal, ({ domain }) => ({ local: this.localDomains.has(domain) }))]);
    for (const to of ["local", "remote"] as const) {
      await this.answer(to, [on(deliver, (delivery) => this.#deliver(to, delivery))]);
    }
  }

  async answer(name: string, handled: Parameters<typeof answerVerbs>[1]): Promise<() => void> {
    const answering = await answerVerbs(this.path(name), handled, {
      trouble: (text) => this.lines.push(text),
    });
    this.#context.after(() => answering.close());
    return () => answering.close();
  }

  /** A queue on the spool; call again for the one after a restart. */
  async open(more: Partial<QueueOptions> = {}): Promise<Queue> {
    const call = (name: string) => {
      const caller = new Caller({ path: this.path(name), clock: this.clock });
      this.#callers.push({ name, caller });
      return caller;
    };
    this.#context.after(() => this.hangUp());
    return openQueue({
      clock: this.clock,
      disk: this.disk,
      directory: this.spool,
      log: new Logger({
        role: "queue",
        clock: this.clock,
        level: "info",
        sink: (line) => this.lines.push(line.slice(line.indexOf(" queue ") + 7)),
      }),
      slice: () => this.slice,
      local: call("local"),
      remote: call("remote"),
      auth: call("auth"),
      random: () => 0,
      segmentSize: 512 * 1024,
      ...more,
    });
  }

  /** Ends the links of all queues opened so far, as the death of the process does. */
  hangUp(): void {
    for (const { caller } of this.#callers.splice(0)) caller.close();
  }

  /** Breaks the links to a role, as its death does. */
  cut(name: string): void {
    for (const each of this.#callers) if (each.name === name) each.caller.link?.fail("cut by the test");
  }

  /** The inject conversation with a queue, as smtpd has it. */
  async injector(queue: Queue): Promise<Injector> {
    const at = this.path(`inject${Math.random()}`);
    const answering = await answerInjections(at, queue.intake);
    const injector = new Injector(at, this.clock);
    this.#context.after(() => {
      injector.close();
      answering.close();
    });
    return injector;
  }

  /** Addresses tried so far, in order. */
  get tried(): readonly string[] {
    return this.attempts.flatMap(({ delivery }) => delivery.recipients.map(({ address }) => address));
  }

  /** Waits, with real time, until something is so. */
  async until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
    for (let wait = 0; wait < 2000; wait++) {
      if (await condition()) return;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    throw new Error(`Never came: ${what}\n${this.lines.join("\n")}`);
  }

  async #deliver(to: "local" | "remote", delivery: Delivery) {
    const source = await openBody(this.disk, this.spool, delivery.place);
    const parts: Buffer[] = [];
    for await (const chunk of source.chunks()) parts.push(Buffer.from(chunk));
    await source.close();
    this.attempts.push({ to, delivery, body: Buffer.concat(parts).toString("latin1") });
    const outcomes = [];
    for (const { index, address } of delivery.recipients) {
      outcomes.push({ index, outcome: await (to === "local" ? this.local : this.remote)(delivery, address) });
    }
    return { outcomes };
  }
}

export interface Letter {
  readonly sender?: string;
  readonly to: readonly string[];
  readonly body?: string;
  readonly submitted?: boolean;
  /** What else is in its envelope. */
  readonly envelope?: Partial<Envelope>;
  /** Known only at the end. */
  readonly front?: string;
}

/** Sends one message through the inject conversation. */
export async function send(injector: Injector, letter: Letter): Promise<InjectResult> {
  const {
    sender = "ann@far.test",
    to,
    body = "Subject: x\r\n\r\nbody\r\n",
    submitted = false,
    front,
  } = letter;
  const envelope: Envelope = {
    sender,
    recipients: to.map((address) => ({ address })),
    body: "7bit",
    submitted,
    ...letter.envelope,
  };
  const injection = await injector.begin("s", envelope);
  for (let at = 0; at < body.length; at += 60_000) {
    if (!injection.write(Buffer.from(body.slice(at, at + 60_000), "latin1"))) await injection.drained();
  }
  return injection.commit(front);
}

/** A question of the command line, as the control socket asks it. */
export async function ask<Q, A>(queue: Queue, verb: Verb<Q, A>, question: Q): Promise<A> {
  const handled = queue.control.find((each) => each.verb.kind === verb.kind);
  return (await handled?.run(question)) as A;
}
