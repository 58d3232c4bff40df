// One supervised process: started, configured, watched, started again with growing pauses; what it writes to stderr is passed on.

import type { Clock } from "#base/clock.ts";
import type { SlicedRole } from "#config/slice.ts";
import type { Logger } from "#log/logger.ts";
import type { Child } from "#sys/child.ts";
import type { RoleStatus } from "#talk/control.ts";
import { Link } from "#talk/frame.ts";
import { CONFIGURE, type Configure, READY, REFUSED, STOP } from "#talk/health.ts";

/** The first restart is immediate; a process that keeps dying is started every half minute. */
const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 30_000;
/** Up this long counts as healthy: the next pause is the first again. */
const HEALTHY = 10_000;
/** After STOP, TERM follows; after that, KILL. Longer than what boot.ts gives a role to finish. */
const STOP_DEADLINE = 12_000;

export interface ProcessOptions {
  readonly role: SlicedRole;
  readonly index: number;
  /** For `status`: who it runs as. */
  readonly user: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly spawn: () => Child;
  /** What it is told when it starts: its sockets and its slice as they are then. */
  readonly configuration: () => Configure;
  /** It came up, or died: the supervisor looks whether everything is ready. */
  readonly changed: () => void;
}

export class RoleProcess {
  readonly #options: ProcessOptions;
  #child: Child | undefined;
  #link: Link | undefined;
  #state: RoleStatus["state"] = "down";
  #since: number;
  #restarts = 0;
  #pause = FIRST_PAUSE;
  #wanted = false;
  #ended: (() => void)[] = [];
  #answered: ((problem: string | undefined) => void)[] = [];
  #refusal: string | undefined;

  constructor(options: ProcessOptions) {
    this.#options = options;
    this.#since = options.clock.now();
  }

  get role(): SlicedRole {
    return this.#options.role;
  }

  get status(): RoleStatus {
    const { role, index, user } = this.#options;
    return {
      role,
      index,
      pid: this.#child?.process.pid ?? 0,
      state: this.#state,
      since: Math.floor(this.#since),
      restarts: this.#restarts,
      user,
    };
  }

  get up(): boolean {
    return this.#state === "up";
  }

  /** Why it does not come up, if it said so. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  start(): void {
    this.#wanted = true;
    if (!this.#child) this.#spawn();
  }

  /** Tells it its slice again; the problem it has with it, if any. A process that is not up hears of it when it starts. */
  configure(): Promise<string | undefined> {
    const link = this.#link;
    if (!link || !this.up) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#answered.push(resolve);
      link.send(CONFIGURE, 0, JSON.stringify(this.#options.configuration()));
    });
  }

  /** Resolves when it serves, with undefined, or with the problem that keeps it from that. */
  started(): Promise<string | undefined> {
    if (this.up) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#answered.push(resolve));
  }

  /** Ends it; resolves when it has ended. It is started again only by `start`. */
  stop(): Promise<void> {
    this.#wanted = false;
    const child = this.#child;
    if (!child) return Promise.resolve();
    this.#link?.send(STOP, 0);
    const kill = this.#options.clock.after(STOP_DEADLINE, () => child.process.kill("SIGKILL"));
    return new Promise((resolve) => {
      this.#ended.push(() => {
        kill.cancel();
        resolve();
      });
    });
  }

  #become(state: RoleStatus["state"]): void {
    this.#state = state;
    this.#since = this.#options.clock.now();
    this.#options.changed();
  }

  #spawn(): void {
    const { role, index, user, log, spawn, configuration } = this.#options;
    const child = spawn();
    this.#child = child;
    this.#link = new Link(child.health, {
      frame: (frame) => {
        if (frame.kind === READY) this.#ready();
        else if (frame.kind === REFUSED) this.#refused(frame.payload.toString("utf8").slice(0, 1000));
      },
      closed: () => {
        // the process is ending; its exit is what counts
      },
    });
    this.#link.send(CONFIGURE, 0, JSON.stringify(configuration()));
    this.#become("starting");
    log.event("role_started", { role, index, pid: child.process.pid, user });
    for (const output of [child.process.stdout, child.process.stderr]) {
      output?.setEncoding("utf8");
      output?.on("data", (text: string) => this.#output(text));
    }
    child.process.on("error", (error) => this.#output(error.message));
    child.process.on("close", (status, signal) => this.#close(status, signal));
  }

  #ready(): void {
    this.#refusal = undefined;
    for (const resolve of this.#answered.splice(0)) resolve(undefined);
    if (this.#state !== "up") this.#become("up");
  }

  #refused(problem: string): void {
    this.#refusal = problem;
    this.#output(problem);
    for (const resolve of this.#answered.splice(0)) resolve(problem);
    this.#options.changed();
  }

  #output(text: string): void {
    const { role, log } = this.#options;
    for (const line of text.split("\n"))
      if (line.trim() !== "") log.event("role_output", { role, text: line.trimEnd() });
  }

  #close(status: number | null, signal: NodeJS.Signals | null): void {
    const { role, index, clock, log } = this.#options;
    this.#child = undefined;
    this.#link = undefined;
    for (const resolve of this.#answered.splice(0)) resolve("It ended");
    for (const done of this.#ended.splice(0)) done();
    if (!this.#wanted) return this.#become("down");
    const healthy = this.#state === "up" && clock.now() - this.#since >= HEALTHY;
    const wait = healthy ? FIRST_PAUSE : this.#pause;
    this.#pause = Math.min(wait * 2, LONGEST_PAUSE);
    log.event("role_ended", { role, index, status: status ?? undefined, signal: signal ?? undefined, wait });
    this.#become("waiting");
    clock.after(wait, () => {
      if (!this.#wanted || this.#child) return;
      this.#restarts++;
      this.#spawn();
    });
  }
}
