// The load: load.c, built into a temporary directory, and the mail that it sent on its way to the Maildirs.

import { spawn, spawnSync } from "node:child_process";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { countIn, delivered, empty, has, Missing, type Server, USERS } from "./server.ts";

export interface Load {
  readonly messages: number;
  readonly connections: number;
  /** Bytes of a message. */
  readonly size: number;
  readonly perConnection: number;
}

/** What load.c prints. */
export interface Sent {
  readonly accepted: number;
  readonly failed: number;
  /** Up to the last 250. */
  readonly seconds: number;
  /** From MAIL to 250, ms. */
  readonly median: number;
  readonly p99: number;
  /** The generator's, ms. */
  readonly cpu: number;
  readonly error: string;
}

export interface Passed extends Sent {
  /** Up to the last message in its Maildir; undefined when they did not all come. */
  readonly deliveredSeconds: number | undefined;
}

/** The longest that a run may take, sending and delivering each, seconds. */
const LONGEST = 300;

/** Between two looks into a Maildir, ms; what it costs must not matter to the server. */
const POLL = 20;

/** Builds the generator into a directory. Missing when there is no C compiler. */
export function build(directory: string): string {
  if (!has("cc")) throw new Missing("There is no C compiler: install gcc (Debian: apt-get install gcc)");
  const program = path.join(directory, "load");
  const source = path.join(import.meta.dirname, "load.c");
  const made = spawnSync("cc", ["-O2", "-o", program, source], { encoding: "utf8" });
  if (made.status !== 0) throw new Missing(`Cannot build ${source}: ${made.stderr}`);
  return program;
}

/** Sends mail and waits until it is in the Maildirs, which are empty before. */
export async function pass(generator: string, server: Server, load: Load): Promise<Passed> {
  empty(server);
  const begun = performance.now();
  const sent = await send(generator, server, load);
  const all = await arrived(server, sent.accepted, performance.now() + LONGEST * 1000);
  const seconds = (performance.now() - begun) / 1000;
  return { ...sent, deliveredSeconds: all && sent.failed === 0 ? seconds : undefined };
}

/** Sessions whose only recipient does not exist; each counts as accepted when it heard 550. */
export const sendRefused = (
  generator: string,
  server: Server,
  load: Pick<Load, "messages" | "connections">,
): Promise<Sent> => send(generator, server, { ...load, size: 0, perConnection: 1 }, "refused");

/** Sends mail; nobody waits for what becomes of it. */
export async function send(
  generator: string,
  server: Server,
  load: Load,
  ...more: readonly string[]
): Promise<Sent> {
  const { messages, connections, size, perConnection } = load;
  const words = [
    server.port,
    messages,
    connections,
    size,
    perConnection,
    USERS,
    server.domain,
    LONGEST,
    ...more,
  ];
  const child = spawn(generator, words.map(String), { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  await new Promise((resolve) => child.once("close", resolve));
  return JSON.parse(output) as Sent;
}

/** Whether so many messages came in time. One Maildir is watched, then all are counted: every user gets the same. */
async function arrived(server: Server, wanted: number, end: number): Promise<boolean> {
  const [first = ""] = server.maildirs;
  while (countIn(first) < Math.floor(wanted / USERS) || delivered(server) < wanted) {
    if (performance.now() > end) return false;
    await sleep(POLL);
  }
  return true;
}
