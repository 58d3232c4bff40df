// The supervisor: locks the data directory, binds the sockets, starts every role from the table and keeps them running. It never
// accepts a connection from the network and never reads mail.

import fs from "node:fs";
import path from "node:path";
import { systemClock } from "#base/clock.ts";
import { codeOf, messageOf, Trouble } from "#base/problem.ts";
import { err, type Result } from "#base/result.ts";
import { sliceFor } from "#config/cut.ts";
import { listenersOf } from "#config/listeners.ts";
import type { Config } from "#config/schema.ts";
import type { SlicedRole } from "#config/slice.ts";
import { Logger } from "#log/logger.ts";
import { outputOf } from "#sys/child.ts";
import { settleDown } from "#sys/garbage.ts";
import { tryLock } from "#sys/lock.ts";
import { answerVerbs, on } from "#talk/answerer.ts";
import * as control from "#talk/control.ts";
import type { Configure } from "#talk/health.ts";
import { Reporter } from "#talk/report.ts";
import { roleNames, roles, socketPath } from "../roles.ts";
import { makeDirectories, type Owners, ownersFrom } from "./layout.ts";
import { RoleProcess } from "./process.ts";
import { Sockets } from "./sockets.ts";
import { spawner, unreachable } from "./spawn.ts";

/** ".ts" in a checkout, ".js" where the types are stripped already (cli/code.ts). */
const CHECK = path.resolve(import.meta.dirname, `../../config/check${path.extname(import.meta.filename)}`);

/** 0: stopped as asked. 1: cannot run like this. 111: may work later. */
export type ExitCode = 0 | 1 | 111;

export interface Hooks {
  /** Every listener accepts. */
  readonly ready: () => void;
  /** One sentence for the person who started the server. */
  readonly say: (sentence: string) => void;
}

/** Runs the server in `dir` until it is told to stop. */
export async function supervise(dir: string, hooks: Hooks): Promise<ExitCode> {
  try {
    process.chdir(dir);
    fs.mkdirSync("run/supervisor", { recursive: true });
    const lock = tryLock("run/supervisor/lock");
    if (!lock) {
      hooks.say(`Cannot start: a server already runs in "${dir}"; stop it with: kenro stop --dir ${dir}`);
      return 1;
    }
    const config = await checkedConfig();
    if (!config.ok) {
      for (const problem of config.error) hooks.say(problem);
      return 1;
    }
    const server = new Server(config.value, hooks);
    await server.start();
    await server.stopped;
    lock.release();
    return 0;
  } catch (thrown) {
    hooks.say(thrown instanceof Trouble ? thrown.message : explainStart(dir, thrown));
    return 111;
  }
}

/** Reads and checks the configuration in a process of its own (config/check.ts). Trouble when that cannot run. */
async function checkedConfig(): Promise<Result<Config, readonly string[]>> {
  const answer = await outputOf(process.execPath, ["--disable-warning=ExperimentalWarning", CHECK]);
  // our own program, with our own rights
  return JSON.parse(answer) as Result<Config, readonly string[]>;
}

function explainStart(dir: string, thrown: unknown): string {
  switch (codeOf(thrown)) {
    case "ENOENT":
      return `Cannot start: "${dir}" does not exist; make it with: kenro init --dir ${dir}`;
    case "EACCES":
    case "EPERM":
      return `Cannot start: "${dir}" is not ours to use (${messageOf(thrown)}); start as its owner or as root`;
    case "ENOSPC":
      return `Cannot start: the disk of "${dir}" is full; free some space and start again`;
    default:
      return `Cannot start: ${messageOf(thrown)}`;
  }
}

class Server {
  readonly stopped: Promise<void>;
  readonly #hooks: Hooks;
  readonly #owners: Owners;
  readonly #sockets: Sockets;
  readonly #reporter: Reporter;
  readonly #log: Logger;
  readonly #processes = new Map<string, RoleProcess>();
  #config: Config;
  #note = "";
  #saidReady = false;
  #saidRefusals = new Set<string>();
  #stopping = false;
  #reloading: Promise<readonly string[]> = Promise.resolve([]);
  #stopDone: () => void = () => {};

  constructor(config: Config, hooks: Hooks) {
    this.#config = config;
    this.#hooks = hooks;
    this.#owners = ownersFrom(config.users.base, process.getuid?.() === 0);
    this.#sockets = new Sockets(this.#owners);
    this.#reporter = new Reporter(socketPath("logger", "supervisor"), systemClock);
    this.#log = new Logger({
      role: "supervisor",
      clock: systemClock,
      level: config.log.level,
      sink: (line) => this.#reporter.line(line),
    });
    this.stopped = new Promise((resolve) => {
      this.#stopDone = resolve;
    });
  }

  async start(): Promise<void> {
    makeDirectories(this.#owners);
    // the modes are right only now
    this.#note = separation(this.#owners);
    fs.writeFileSync("run/supervisor/pid", `${process.pid}\n`);
    await this.#sockets.listen(socketsOf(this.#config));
    if (this.#note !== "") this.#hooks.say(this.#note);
    process.on("SIGTERM", () => void this.#stop());
    process.on("SIGINT", () => void this.#stop());
    process.on("SIGHUP", () => void this.#reload());
    await this.#answerControl();
    this.#startMissing();
  }

  /** The command line may ask how it goes and tell us to stop. */
  async #answerControl(): Promise<void> {
    const at = socketPath("supervisor", "control");
    fs.rmSync(at, { force: true });
    await answerVerbs(
      at,
      [
        on(control.status, () => ({
          roles: [...this.#processes.values()].map((each) => each.status),
          note: this.#note,
        })),
        on(control.reload, async () => ({ problems: await this.#reload() })),
        on(control.stop, () => {
          // the answer leaves first
          setImmediate(() => void this.#stop());
          return {};
        }),
      ],
      { trouble: (text) => this.#log.event("peer_garbage", { text }) },
    );
    fs.chmodSync(at, 0o600);
  }

  #startMissing(): void {
    for (const role of roleNames) {
      for (let index = 0; index < this.#count(role); index++) {
        const key = `${role}.${index}`;
        const existing = this.#processes.get(key);
        if (existing) existing.start();
        else {
          const made = this.#make(role, index);
          this.#processes.set(key, made);
          made.start();
        }
      }
    }
  }

  #count(role: SlicedRole): number {
    const { remote, system_users } = this.#config;
    // nobody would ask it
    if (role === "tlspolicy" && remote.mta_sts === "off" && remote.tls_reports === "") return 0;
    if (role === "lspawn" && system_users.enabled === "off" && system_users.allow_programs === "off")
      return 0;
    const setting = roles[role].processes;
    return setting ? this.#config.processes[setting] : 1;
  }

  #make(role: SlicedRole, index: number): RoleProcess {
    if (index > 0)
      fs.mkdirSync(path.dirname(socketPath(role, "any", index)), { recursive: true, mode: 0o711 });
    const owner = this.#owners.user(roles[role].user);
    const plan = () => {
      const names = { listeners: this.#sockets.listeners(role), answers: this.#sockets.answers(role, index) };
      return { names, descriptors: [...names.listeners.values(), ...names.answers.values()] };
    };
    return new RoleProcess({
      role,
      index,
      user: owner ? `${roles[role].user} (${owner.uid})` : "self",
      clock: systemClock,
      log: this.#log,
      spawn: () => spawner(role, index, this.#owners, plan().descriptors),
      configuration: (): Configure => {
        const { names, descriptors } = plan();
        // descriptors are 4, 5, … in the child, in the order they were given
        const place = (map: ReadonlyMap<string, number>) =>
          Object.fromEntries([...map].map(([name, fd]) => [name, 4 + descriptors.indexOf(fd)]));
        return {
          role,
          index,
          slice: sliceFor(role, this.#config),
          listeners: place(names.listeners),
          answers: place(names.answers),
        };
      },
      changed: () => this.#changed(),
    });
  }

  #changed(): void {
    if (this.#stopping) return;
    const all = [...this.#processes.values()];
    for (const each of all) {
      const refusal = each.refusal;
      if (refusal === undefined || this.#saidReady || this.#saidRefusals.has(each.role)) continue;
      this.#saidRefusals.add(each.role);
      this.#hooks.say(`The ${each.role} role does not start yet: ${refusal}`);
    }
    const wanted = roleNames.filter((role) => this.#count(role) > 0);
    if (!this.#saidReady && all.length >= wanted.length && all.every((each) => each.up)) {
      this.#saidReady = true;
      this.#hooks.ready();
      settleDown();
    }
  }

  /** One after the other, so that of two the newer file counts. The problems. */
  #reload(): Promise<readonly string[]> {
    const now = () => this.#reloadNow();
    this.#reloading = this.#reloading.then(now, now);
    return this.#reloading;
  }

  /** Takes over the file as a whole or not at all. */
  async #reloadNow(): Promise<readonly string[]> {
    const loaded = await checkedConfig().catch((thrown: unknown) => err([messageOf(thrown)]));
    // roles that have been stopped since are not to be started again
    if (this.#stopping) return ["The server is stopping"];
    const problems = loaded.ok ? await this.#take(loaded.value) : loaded.error;
    for (const text of problems) this.#log.event("config_refused", { text });
    if (problems.length === 0) this.#log.event("reloaded");
    return problems;
  }

  async #take(config: Config): Promise<readonly string[]> {
    try {
      // a slice that cannot be cut (a certificate that cannot be read) must not stop a role that runs
      for (const role of roleNames) sliceFor(role, config);
      const before = new Map(roleNames.map((role) => [role, describe(this.#sockets, role)]));
      await this.#sockets.listen(socketsOf(config));
      this.#config = config;
      await this.#dropSurplus();
      this.#startMissing();
      const answers = [...this.#processes.values()].map(async (each) => {
        // descriptors are given at birth only
        if (before.get(each.role) === describe(this.#sockets, each.role)) return await each.configure();
        await each.stop();
        each.start();
        return await each.started();
      });
      return (await Promise.all(answers)).filter((problem) => problem !== undefined);
    } catch (thrown) {
      return [messageOf(thrown)];
    }
  }

  async #dropSurplus(): Promise<void> {
    for (const [key, each] of this.#processes) {
      const { role, index } = each.status;
      if (index < this.#count(role as SlicedRole)) continue;
      this.#processes.delete(key);
      await each.stop();
    }
  }

  /** Those who take connections first, the logger last. */
  async #stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#log.event("stopping");
    for (const role of [...roleNames].reverse()) {
      if (role === "logger") await this.#reporter.close();
      const own = [...this.#processes.values()].filter((each) => each.role === role);
      await Promise.all(own.map((each) => each.stop()));
    }
    this.#sockets.close();
    fs.rmSync(socketPath("supervisor", "control"), { force: true });
    fs.rmSync("run/supervisor/pid", { force: true });
    this.#stopDone();
  }
}

const socketsOf = (config: Config) => listenersOf(config).flatMap(({ sockets }) => sockets);

const describe = (sockets: Sockets, role: SlicedRole): string => JSON.stringify([...sockets.listeners(role)]);

/** What separates the roles here, said once at the start and in `status`. Empty when it is as designed. */
function separation(owners: Owners): string {
  if (!owners.user("smtp")) {
    return "Note: not started as root, so all roles run as one user; only Node's permission model keeps apart those that do not sync files";
  }
  const closed = unreachable(process.cwd());
  return closed
    ? `Note: "${closed}" is closed to other users, so the roles cannot reach what they need; open or move it, or start as another user than root`
    : "";
}
