// smtp-sink of Postfix's package on a loopback port: takes all mail and counts it. The receiver of what servers under measurement relay.

import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { endTree, has, isFree, Missing } from "./server.ts";

export interface Counter {
  readonly port: number;
  readonly pid: number;
  /** Messages that it has taken. */
  readonly taken: number;
  /** Resolves when it has taken so many; false: not in this time, ms. */
  until(count: number, patience: number): Promise<boolean>;
  stop(): Promise<void>;
}

export async function startCounter(): Promise<Counter> {
  if (!has("smtp-sink")) throw new Missing("There is no smtp-sink (Debian: apt-get install postfix)");
  let port = 18_025;
  while (!(await isFree(port))) port++;
  const child = spawn("smtp-sink", ["-c", "-u", "postfix", `127.0.0.1:${port}`, "1000"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let taken = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    // "sessions=1 quit=1 mesg=7", again and again
    for (const [, count] of chunk.toString().matchAll(/mesg=(\d+)/g)) taken = Number(count);
  });
  for (let wait = 0; await isFree(port); wait++) {
    if (wait > 200) throw new Missing("smtp-sink did not start");
    await sleep(20);
  }
  return {
    port,
    pid: child.pid ?? 0,
    get taken() {
      return taken;
    },
    async until(count, patience) {
      for (const end = performance.now() + patience; taken < count; await sleep(5))
        if (performance.now() > end) return false;
      return true;
    },
    stop: () => endTree(child),
  };
}
