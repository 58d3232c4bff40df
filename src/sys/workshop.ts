// A workshop: one thread in which somebody else's small functions run, with an end to their memory and to the time of each call. A thread that
// takes too long, dies or eats too much is thrown away, and the next call has a new one.

import path from "node:path";
import { Worker } from "node:worker_threads";
import type { Clock, Timer } from "#base/clock.ts";
import { messageOf } from "#base/problem.ts";
import type { Asked, Told } from "./workshopthread.ts";

export interface WorkshopOptions {
  readonly clock: Clock;
  /** ms of one call, or to load one source. */
  readonly time: number;
  /** MiB of its heap. */
  readonly memory: number;
}

/** The function itself failed: the thread is as good as before. */
export class CallFailed extends Error {
  override readonly name = "CallFailed";
}

/** The thread was thrown away. */
export class ThreadLost extends Error {
  override readonly name = "ThreadLost";
}

type Question = Asked extends infer A ? (A extends unknown ? Omit<A, "id"> : never) : never;

interface Job {
  readonly question: Question;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: Error) => void;
}

const THREAD = path.join(import.meta.dirname, `workshopthread${path.extname(import.meta.filename)}`);

export class Workshop {
  readonly #options: WorkshopOptions;
  /** What a new thread must load first, by name. */
  readonly #sources = new Map<string, string>();
  #queue: Job[] = [];
  #thread: Worker | undefined;
  #current: { readonly job: Job; readonly id: number; readonly timer: Timer } | undefined;
  #count = 0;

  constructor(options: WorkshopOptions) {
    this.#options = options;
  }

  /** Loads TypeScript source (types are only stripped); what it exports, as plain data. CallFailed or ThreadLost when it cannot be loaded. */
  async load(name: string, source: string): Promise<unknown> {
    this.#sources.delete(name);
    const exported = await this.#do({ kind: "load", name, source });
    this.#sources.set(name, source);
    return exported;
  }

  forget(name: string): void {
    this.#sources.delete(name);
  }

  /** Calls `judge` of what was loaded; its answer as plain data. */
  call(name: string, argument: unknown): Promise<unknown> {
    return this.#do({ kind: "call", name, argument });
  }

  close(): void {
    this.#lose("it is closed");
  }

  #do(question: Question): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ question, resolve, reject });
      this.#next();
    });
  }

  /** One call at a time: who takes too long is known, and the others wait no longer than for that. */
  #next(): void {
    if (this.#current) return;
    if (!this.#thread && this.#queue.length > 0) this.#thread = this.#start();
    const job = this.#queue.shift();
    if (!job) return;
    const id = ++this.#count;
    const { clock, time } = this.#options;
    const timer = clock.after(time, () => this.#lose(`it takes longer than ${time} ms`));
    this.#current = { job, id, timer };
    try {
      this.#thread?.postMessage({ ...job.question, id });
    } catch (thrown) {
      this.#finish(() => job.reject(new CallFailed(messageOf(thrown))));
    }
  }

  #start(): Worker {
    const { memory } = this.#options;
    const thread = new Worker(THREAD, {
      env: {},
      argv: [],
      stdin: false,
      // whatever it prints goes nowhere
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: memory, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 },
    });
    thread.unref();
    thread.stdout.resume();
    thread.stderr.resume();
    thread.on("message", (told: Told) => this.#told(thread, told));
    thread.on("error", (error) => this.#died(thread, messageOf(error)));
    thread.on("exit", () => this.#died(thread, "its thread ended"));
    const again = [...this.#sources].map(
      ([name, source]): Job => ({
        question: { kind: "load", name, source },
        resolve: () => {},
        // whoever calls it is told; another thread must not be lost by it
        reject: () => this.forget(name),
      }),
    );
    this.#queue = [...again, ...this.#queue];
    return thread;
  }

  #told(thread: Worker, { id, value, error }: Told): void {
    const current = this.#current;
    if (thread !== this.#thread || current?.id !== id) return;
    const { job } = current;
    this.#finish(() => {
      if (error === undefined) job.resolve(value);
      else job.reject(new CallFailed(error));
    });
  }

  #died(thread: Worker, why: string): void {
    if (thread === this.#thread) this.#lose(why);
  }

  #lose(why: string): void {
    const thread = this.#thread;
    this.#thread = undefined;
    void thread?.terminate();
    const current = this.#current;
    if (current) this.#finish(() => current.job.reject(new ThreadLost(why)));
  }

  #finish(settle: () => void): void {
    this.#current?.timer.cancel();
    this.#current = undefined;
    settle();
    this.#next();
  }
}
