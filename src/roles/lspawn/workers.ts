// Workers: one for each user at most, each for one message at a time; those that have been idle are ended, and so is whoever is in the way of
// somebody who waits.

import type { Clock, Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import type { Identity } from "#sys/userchild.ts";
import type { WorkerResult } from "#talk/worker.ts";
import type { Parcel, WorkerProcess } from "./workerprocess.ts";

export interface WorkersOptions {
  readonly clock: Clock;
  readonly bounds: () => { readonly workers: number; readonly idle: number };
  readonly start: (identity: Identity) => WorkerProcess;
}

/** What belongs to one user. */
interface Crew {
  worker: WorkerProcess | undefined;
  busy: boolean;
  /** Messages, the one under way among them. */
  pending: number;
  /** Ends when all before have ended. */
  tail: Promise<unknown>;
  idle: Timer | undefined;
}

export class Workers {
  readonly #options: WorkersOptions;
  readonly #crews = new Map<number, Crew>();
  /** Who waits for a worker to end. */
  readonly #queue: (() => void)[] = [];
  #running = 0;

  constructor(options: WorkersOptions) {
    this.#options = options;
  }

  /** What became of a message for a user. Trouble: nobody knows, or there are too many. */
  deliver(identity: Identity, parcel: Parcel): Promise<WorkerResult> {
    const crew = this.#crew(identity.uid);
    if (crew.pending > limits.lspawn.waiting)
      return Promise.reject(new Trouble("deliver", "Too many messages of this user wait already"));
    crew.pending++;
    const work = crew.tail.then(() => this.#one(crew, identity, parcel));
    crew.tail = work
      .catch(() => {
        // whoever asked hears of it
      })
      .then(() => this.#rest(identity.uid, crew));
    return work;
  }

  /** Ends all of them. */
  async stop(): Promise<void> {
    const workers = [...this.#crews.values()].flatMap(({ worker }) => (worker ? [worker] : []));
    for (const worker of workers) worker.end();
    await Promise.all(workers.map(({ ended }) => ended));
  }

  #crew(uid: number): Crew {
    const known = this.#crews.get(uid);
    if (known) return known;
    const made: Crew = {
      worker: undefined,
      busy: false,
      pending: 0,
      tail: Promise.resolve(),
      idle: undefined,
    };
    this.#crews.set(uid, made);
    return made;
  }

  async #one(crew: Crew, identity: Identity, parcel: Parcel): Promise<WorkerResult> {
    crew.idle?.cancel();
    crew.busy = true;
    const known = crew.worker;
    if (known && (!known.usable || known.identity.gid !== identity.gid)) await this.#end(crew);
    crew.worker ??= await this.#begin(identity);
    return crew.worker.deliver(parcel);
  }

  /** After a message: what is worn out or broken ends, the others wait for the next one. */
  async #rest(uid: number, crew: Crew): Promise<void> {
    crew.busy = false;
    crew.pending--;
    const { worker } = crew;
    if (worker && (!worker.usable || worker.made >= limits.lspawn.deliveries)) await this.#end(crew);
    if (crew.pending > 0) return;
    if (!crew.worker) {
      this.#crews.delete(uid);
      return;
    }
    if (this.#queue.length > 0) return this.#dismiss(uid, crew);
    crew.idle = this.#options.clock.after(this.#options.bounds().idle, () => void this.#dismiss(uid, crew));
  }

  async #dismiss(uid: number, crew: Crew): Promise<void> {
    if (crew.busy || crew.pending > 0) return;
    crew.idle?.cancel();
    // who comes meanwhile has a crew of his own only when this one's worker is gone
    crew.pending++;
    crew.tail = this.#end(crew).finally(() => {
      crew.pending--;
      if (crew.pending === 0) this.#crews.delete(uid);
    });
    await crew.tail;
  }

  async #begin(identity: Identity): Promise<WorkerProcess> {
    const { clock, bounds, start } = this.#options;
    const end = clock.monotonic() + limits.lspawn.turn;
    while (this.#running >= bounds().workers) {
      const idle = [...this.#crews].find(([, { busy, pending, worker }]) => !busy && pending === 0 && worker);
      if (idle) await this.#dismiss(...idle);
      else await this.#turn(end - clock.monotonic());
    }
    this.#running++;
    return start(identity);
  }

  /** Resolves when a worker has ended or become idle. */
  async #turn(ms: number): Promise<void> {
    if (this.#queue.length >= limits.lspawn.users)
      throw new Trouble("deliver", "Too many users wait for a worker already");
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#queue.push(resolve);
    let late = false;
    const timer = this.#options.clock.after(Math.max(0, ms), () => {
      late = true;
      resolve();
    });
    await promise;
    timer.cancel();
    const at = this.#queue.indexOf(resolve);
    if (at >= 0) this.#queue.splice(at, 1);
    if (late) throw new Trouble("deliver", "All workers are busy with other users");
  }

  async #end(crew: Crew): Promise<void> {
    const { worker } = crew;
    if (!worker) return;
    worker.end();
    await worker.ended;
    crew.worker = undefined;
    this.#running--;
    this.#queue.shift()?.();
  }
}
