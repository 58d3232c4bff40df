// What every role does first: take its slice and its sockets from the supervisor, start, say ready; end when told, or when the
// supervisor is gone. Started as `node … boot.ts ROLE INDEX` with the data directory as its working directory.

import net from "node:net";
import path from "node:path";
import { type Clock, systemClock } from "#base/clock.ts";
import { messageOf } from "#base/problem.ts";
import { readJson, type Shape } from "#base/shape.ts";
import { type SlicedRole, type SliceOf, slices } from "#config/slice.ts";
import { Logger } from "#log/logger.ts";
import { settleDown } from "#sys/garbage.ts";
import { Link } from "#talk/frame.ts";
import { CONFIGURE, type Configure, configureShape, HEALTH_FD, READY, REFUSED, STOP } from "#talk/health.ts";
import { Reporter } from "#talk/report.ts";
import { roleNames, socketPath } from "./roles.ts";

export interface RoleContext<R extends SlicedRole> {
  readonly role: R;
  readonly index: number;
  readonly slice: SliceOf<R>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Descriptor of a network listener by the name in the slice. */
  listener(name: string): number;
  /** Descriptor of the socket on which we answer `peer`. */
  answers(peer: string): number;
  /** Path of the socket on which `other` answers us. */
  socketOf(other: SlicedRole, index?: number): string;
}

export interface Running<R extends SlicedRole> {
  /** Takes over a new slice. Throws when it cannot; the old one stays. */
  reload(slice: SliceOf<R>): void;
  /** Finishes what is under way, within reason. */
  stop(): Promise<void>;
}

/** What the main.ts of each role exports as `start`. */
export type Start<R extends SlicedRole> = (context: RoleContext<R>) => Promise<Running<R>>;

/** A stop that takes longer is cut short; the spool does not mind. */
const STOP_DEADLINE = 10_000;

/** When a role that has started has done what comes first, ms. */
const SETTLED = 500;

/** ".ts" in a checkout, ".js" where the types are stripped already (cli/code.ts). */
const EXTENSION = path.extname(import.meta.filename);

type AnyRunning = Running<SlicedRole>;

class Booted {
  readonly #role: SlicedRole;
  readonly #link: Link;
  #running: AnyRunning | undefined;
  #reporter: Reporter | undefined;
  #stopping = false;

  constructor(role: SlicedRole) {
    this.#role = role;
    this.#link = new Link(new net.Socket({ fd: HEALTH_FD }), {
      frame: (frame) => {
        if (frame.kind === CONFIGURE) void this.#configure(frame.payload);
        else if (frame.kind === STOP) void this.stop(0);
      },
      closed: () => void this.stop(0),
    });
  }

  async stop(code: number): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    setTimeout(() => process.exit(code), STOP_DEADLINE).unref();
    await this.#running?.stop();
    await this.#reporter?.close();
    process.exit(code);
  }

  async #configure(payload: Buffer): Promise<void> {
    try {
      const configure = must(readJson(configureShape, payload));
      const slice = must(
        readJson(slices[this.#role] as Shape<never>, Buffer.from(JSON.stringify(configure.slice))),
      );
      if (this.#running) {
        this.#running.reload(slice);
      } else {
        const room = (await import(`./${this.#role}/main${EXTENSION}`)) as { start: Start<SlicedRole> };
        this.#running = await room.start(this.#context(configure, slice));
        setTimeout(settleDown, SETTLED).unref();
      }
      this.#link.send(READY, 0);
    } catch (thrown) {
      this.#link.send(REFUSED, 0, messageOf(thrown));
      if (!this.#running) setTimeout(() => process.exit(111), 100);
    }
  }

  #context(configure: Configure, slice: SliceOf<SlicedRole>): RoleContext<SlicedRole> {
    const name = configure.index === 0 ? this.#role : `${this.#role}.${configure.index}`;
    // the logger writes its own lines itself; it has nobody to send them to
    if (this.#role !== "logger") this.#reporter = new Reporter(socketPath("logger", this.#role), systemClock);
    const reporter = this.#reporter;
    const fd = (map: Readonly<Record<string, number>>, key: string): number => {
      const found = map[key];
      if (found === undefined) throw new Error(`No descriptor for "${key}"`);
      return found;
    };
    return {
      role: this.#role,
      index: configure.index,
      slice,
      clock: systemClock,
      log: new Logger({
        role: name,
        clock: systemClock,
        level: slice.log,
        sink: (line) => reporter?.line(line),
      }),
      listener: (key) => fd(configure.listeners, key),
      answers: (peer) => fd(configure.answers, peer),
      socketOf: (other, index = 0) => socketPath(other, this.#role, index),
    };
  }
}

function must<T>(result: { ok: true; value: T } | { ok: false; error: string }): T {
  if (!result.ok) throw new Error(`Cannot read what the supervisor sent: ${result.error}`);
  return result.value;
}

function main(): void {
  const role = roleNames.find((name) => name === process.argv[2]);
  if (!role) throw new Error(`Unknown role "${process.argv[2]}"`);
  process.title = `kenro ${role}`;
  process.umask(0o027);
  const booted = new Booted(role);
  process.on("SIGTERM", () => void booted.stop(0));
  // Ctrl-C reaches the whole foreground group; the supervisor decides the order
  process.on("SIGINT", () => {});
  process.on("SIGHUP", () => {});
}

main();
