// A whole server in a temporary directory on free loopback ports, started and stopped as people do it.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";

const root = path.resolve(import.meta.dirname, "../..");
const executable = path.join(root, "bin/kenro");

export interface Status {
  readonly role: string;
  readonly pid: number;
  readonly state: string;
  readonly restarts: number;
}

/** Standard ports of the listeners, and where the server has them: base + port. */
const PORTS = [25, 587, 465, 110, 995, 143, 993, 209, 628];

async function freeBase(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    // below the ports that the system gives to clients; seldom the same as those of another suite on this machine
    const base = 10_000 + Math.floor(Math.random() * 2000) * 10;
    const free = await Promise.all(PORTS.map((port) => isFree(base + port)));
    if (free.every(Boolean)) return base;
  }
  throw new Error("no free ports");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Where a server is, and which code runs it. */
interface Place {
  readonly dir: string;
  readonly executable: string;
}

/** Started as root, the roles are other users, who have to pass. */
function openDirectory(): string {
  const dir = fs.mkdtempSync(path.join(tmpdir(), "kenro-world-"));
  fs.chmodSync(dir, 0o711);
  return dir;
}

/** Settings under which a proxy at this machine says who the client is, and the session rules ask this DNS server. */
export const judging =
  (dnsServer: string, greetDelay = "0") =>
  (toml: string): string =>
    toml
      .replace(/^servers = .*$/m, `servers = ["${dnsServer}"]`)
      .replace(/^xclient = .*$/m, 'xclient = ["127.0.0.0/8"]')
      .replace(/^greet_delay = .*$/m, `greet_delay = "${greetDelay}"`);

export class World {
  readonly dir: string;
  readonly base: number;
  readonly #executable: string;
  #server: ChildProcess | undefined;

  private constructor(dir: string, base: number, program: string) {
    this.dir = dir;
    this.base = base;
    this.#executable = program;
  }

  /** Made, with ann@a.test and bob@a.test (password "secret-pw"), started. `edit` changes kenro.toml. */
  static async start(
    context: TestContext,
    edit: (toml: string, base: number) => string = (toml) => toml,
    place: Partial<Place> = {},
  ): Promise<World> {
    const { dir = openDirectory() } = place;
    const world = new World(dir, await freeBase(), place.executable ?? executable);
    context.after(async () => {
      await world.stop();
      fs.rmSync(dir, { recursive: true, force: true });
    });
    world.kenro([
      "init",
      "--hostname",
      "mail.a.test",
      "--domain",
      "a.test",
      "--port-base",
      String(world.base),
      "--yes",
    ]);
    const file = path.join(dir, "kenro.toml");
    fs.writeFileSync(file, edit(fs.readFileSync(file, "utf8"), world.base));
    for (const user of ["ann", "bob"])
      world.kenro(["user", "add", `${user}@a.test`, "--password-stdin"], "secret-pw\n");
    await world.up();
    return world;
  }

  /** Runs the command line on this directory; its output. Throws when it fails. */
  kenro(words: readonly string[], input = ""): string {
    const run = spawnSync(this.#executable, [...words, "--dir", this.dir], { input, encoding: "utf8" });
    if (run.status !== 0) throw new Error(`kenro ${words.join(" ")}: ${run.status}: ${run.stderr}`);
    return run.stdout;
  }

  port(standard: number): number {
    return this.base + standard;
  }

  /** What the server has printed since it was started. */
  said = "";

  up(): Promise<void> {
    const server = spawn(this.#executable, ["start", "--dir", this.dir], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#server = server;
    this.said = "";
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not ready: ${this.said}`)), 60_000);
      const hear = (text: string) => {
        this.said += text;
        if (!/^ready$/m.test(this.said)) return;
        clearTimeout(timer);
        resolve();
      };
      server.stdout.on("data", (chunk) => hear(String(chunk)));
      server.stderr.on("data", (chunk) => hear(String(chunk)));
      server.on("exit", (status) => reject(new Error(`ended with ${status}: ${this.said}`)));
    });
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server || server.exitCode !== null) return;
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill("SIGTERM");
    await ended;
  }

  status(): readonly Status[] {
    return JSON.parse(this.kenro(["status", "--json"])) as readonly Status[];
  }

  pid(role: string): number {
    return this.status().find((each) => each.role === role)?.pid ?? 0;
  }

  /** Files in a user's new/ and cur/, sorted by name. */
  delivered(user: string): readonly string[] {
    return ["new", "cur"].flatMap((place) => {
      const at = path.join(this.dir, "mail/a.test", user, "Maildir", place);
      return fs.existsSync(at) ? fs.readdirSync(at).map((name) => path.join(at, name)) : [];
    });
  }
}

/** Waits until `probe` gives something, at most `ms`. */
export async function eventually<T>(probe: () => T | undefined | false, ms = 60_000): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const found = probe();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error("it did not happen in time");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Sends lines to a port and gives all that comes back until the server closes, or `ms` pass. */
export function converse(port: number, bytes: string | Buffer, ms = 5000): Promise<string> {
  return new Promise((resolve) => {
    let heard = "";
    const socket = net.connect(port, "127.0.0.1", () => socket.write(bytes));
    const timer = setTimeout(() => socket.destroy(), ms);
    socket.on("data", (chunk) => (heard += chunk.toString("latin1")));
    socket.on("error", () => {
      // a reset is an end too
    });
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(heard);
    });
  });
}

interface Waiting {
  readonly recipients: readonly {
    readonly address: string;
    readonly reason: string;
    readonly attempts: number;
  }[];
}

/** Why mail waits in the queue, by recipient, when all of it has been tried: so many recipients. */
export async function reasons(world: World, count: number): Promise<Readonly<Record<string, string>>> {
  return eventually(() => {
    const rows = JSON.parse(world.kenro(["queue", "list", "--json"])) as readonly Waiting[];
    const waiting = rows.flatMap(({ recipients }) => recipients);
    const done = waiting.length === count && waiting.every(({ attempts }) => attempts > 0);
    return done ? Object.fromEntries(waiting.map(({ address, reason }) => [address, reason])) : false;
  });
}
