// A server under measurement, as speed.ts sees it: a tree of processes on a loopback port that fills Maildirs.

import { type ChildProcess, spawnSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { tree } from "./processes.ts";

export interface Server {
  readonly name: string;
  /** On 127.0.0.1. */
  readonly port: number;
  /** It takes mail for user0 … of this domain. */
  readonly domain: string;
  /** The process all others come from. */
  readonly pid: number;
  /** Maildirs of its users. */
  readonly maildirs: readonly string[];
  /** Ends all its processes. */
  stop(): Promise<void>;
}

/** Mailboxes that the mail goes to, in turn. */
export const USERS = 20;

export const userNames: readonly string[] = Array.from({ length: USERS }, (_, at) => `user${at}`);

/** What keeps the measurement from being made; the user can do something about it. */
export class Missing extends Error {}

export const has = (program: string): boolean =>
  spawnSync("sh", ["-c", `command -v "$1"`, "sh", program]).status === 0;

/** How long a server may take to end when it is told to. */
const PATIENCE = 15_000;

/** Ends a server's tree: the first process is asked, what is left after a while is killed. */
export async function endTree(root: ChildProcess): Promise<void> {
  const { pid } = root;
  if (pid === undefined) return;
  const pids = tree(pid);
  root.kill("SIGTERM");
  const end = Date.now() + PATIENCE;
  while (pids.some(alive) && Date.now() < end) await sleep(50);
  for (const each of pids.filter(alive)) process.kill(each, "SIGKILL");
}

function alive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    // no such process
    return false;
  }
}

/** Messages in all Maildirs. */
export function delivered(server: Server): number {
  return server.maildirs.reduce((sum, maildir) => sum + countIn(maildir), 0);
}

/** Messages in one of them. */
export function countIn(maildir: string): number {
  try {
    return fs.readdirSync(path.join(maildir, "new")).length;
  } catch {
    // made with the first message
    return 0;
  }
}

/** Moves the mail aside, so that each run begins with empty Maildirs. To remove it would slow down the next run: a file system may
 * pass over the inodes of files that were deleted lately (ext4 without a journal does, one by one). */
export function empty(server: Server): void {
  for (const maildir of server.maildirs) {
    const [from, to] = [path.join(maildir, "new"), path.join(maildir, "..", "aside")];
    if (!fs.existsSync(from)) continue;
    fs.mkdirSync(to, { recursive: true });
    for (const name of fs.readdirSync(from)) fs.renameSync(path.join(from, name), path.join(to, name));
  }
}

/** Whether nobody listens on a loopback port. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** A loopback port that nobody listens on. */
export async function freePort(): Promise<number> {
  for (let port = 18_025; port < 20_000; port++) if (await isFree(port)) return port;
  throw new Missing("There is no free port");
}
