// syncfs(2), which Node does not have, through sync(1) of coreutils: one shell that waits for the next time, because to start it from here would
// cost more than the sync.

import { type ChildProcess, spawn } from "node:child_process";
import os from "node:os";
import type { Clock, Timer } from "#base/clock.ts";
import { Trouble } from "#base/problem.ts";
import type { WholeSync } from "./gatheredsync.ts";

/** A line in: sync; a line out: "ok", or what sync(1) complains about. */
const LOOP = 'while read -r go; do if why=$(sync -f "$0" 2>&1); then echo ok; else echo "$why"; fi; done';

/** The shell goes when it was not needed for so long, ms. */
const IDLE = 60_000;

/** Before, syncfs(2) did not tell of pages that could not be written. */
const SINCE = [5, 8] as const;

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (reason: Trouble) => void;
}

export class SyncFs implements WholeSync {
  readonly #clock: Clock;
  readonly #at: string;
  readonly #able: boolean;
  #shell: ChildProcess | undefined;
  #waiting: Waiting[] = [];
  #said = "";
  #idle: Timer | undefined;

  /** `at`: a path on the file system; `release`: of the kernel. */
  constructor(clock: Clock, at: string, release: string = os.release()) {
    this.#clock = clock;
    this.#at = at;
    const [major = 0, minor = 0] = release.split(".").map(Number);
    this.#able = major > SINCE[0] || (major === SINCE[0] && minor >= SINCE[1]);
  }

  /** Resolves when all that was written to the file system before is durable. Trouble when it is not, or nobody knows. */
  run(): Promise<void> {
    if (!this.#able)
      return Promise.reject(
        new Trouble("syncfs", `Linux ${SINCE.join(".")} is the first whose syncfs tells of errors`),
      );
    this.#idle?.cancel();
    const shell = (this.#shell ??= this.#start());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      shell.stdin?.write("\n");
    });
  }

  close(): void {
    this.#idle?.cancel();
    this.#shell?.stdin?.end();
    this.#shell = undefined;
  }

  #start(): ChildProcess {
    const shell = spawn("/bin/sh", ["-c", LOOP, this.#at], { stdio: ["pipe", "pipe", "ignore"] });
    const ended = () => this.#ended(shell);
    shell.on("error", ended).on("exit", ended);
    // it tells by its end
    shell.stdin?.on("error", () => {});
    shell.stdout?.setEncoding("utf8").on("data", (text: string) => this.#hear(text));
    return shell;
  }

  #hear(text: string): void {
    const lines = (this.#said + text).split("\n");
    this.#said = lines.pop() ?? "";
    for (const line of lines) {
      const first = this.#waiting.shift();
      if (line === "ok") first?.resolve();
      else first?.reject(new Trouble("syncfs", line.slice(0, 300)));
    }
    if (this.#waiting.length > 0) return;
    this.#idle?.cancel();
    this.#idle = this.#clock.after(IDLE, () => this.close());
  }

  #ended(shell: ChildProcess): void {
    if (this.#shell !== shell && this.#shell !== undefined) return;
    this.#shell = undefined;
    this.#said = "";
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) reject(new Trouble("syncfs", "The program that syncs has ended"));
  }
}
