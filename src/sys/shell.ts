// Runs a user's command: /bin/sh -c with bounds, its output gathered up to a size, ended with everything in its process group.

import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import { type Clock, within } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { codeOf } from "#base/problem.ts";
import { makePipe, type Pipe } from "./pipe.ts";
import { systemReason } from "./reason.ts";

/** Bounds of each process (setrlimit(2)); undefined: as we have them. */
export interface ProcessBounds {
  /** Bytes of data: heap and private memory. */
  readonly memory: number;
  /** Processes of the user. */
  readonly processes: number;
  /** Bytes of a file that it writes. */
  readonly fileSize: number;
  /** Seconds of CPU time. */
  readonly cpu: number;
}

export interface ShellOptions {
  readonly clock: Clock;
  /** Descriptor that becomes its standard input. */
  readonly input: number;
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Programs before the shell: each takes a right away and becomes the next one. */
  readonly before: readonly string[];
  /** ms */
  readonly time: number;
}

export type ShellEnd =
  | { readonly kind: "exited"; readonly code: number }
  /** By a signal that was not ours. */
  | { readonly kind: "crashed" }
  /** Ended by us: it took too long, it printed too much. */
  | { readonly kind: "late" }
  | { readonly kind: "flood" }
  /** It could not be started. */
  | { readonly kind: "unable"; readonly reason: string };

export interface Ran {
  readonly end: ShellEnd;
  /** The start of what it printed. */
  readonly output: string;
}

/** The words before a command that bound it; none where prlimit(1) is missing. */
export const boundsBefore = ({ memory, processes, fileSize, cpu }: ProcessBounds): readonly string[] => [
  "prlimit",
  `--data=${memory}`,
  `--nproc=${processes}`,
  `--fsize=${fileSize}`,
  `--cpu=${cpu}`,
  "--core=0",
  "--",
];

/** Runs a command to its end; never rejects. */
export async function runShell(command: string, options: ShellOptions): Promise<Ran> {
  let pipe: Pipe | undefined;
  try {
    pipe = await makePipe();
    const child = start(command, options, pipe);
    return await watch(child, pipe, options);
  } catch (thrown) {
    return { end: { kind: "unable", reason: reasonOf(thrown) }, output: "" };
  } finally {
    pipe?.output.destroy();
  }
}

/** Throws when the system refuses. */
function start(command: string, options: ShellOptions, { input: output }: Pipe): ChildProcess {
  const { input, directory, environment, before } = options;
  const [file = "", ...words] = [...before, "/bin/sh", "-c", command];
  try {
    return spawn(file, words, {
      cwd: directory,
      env: environment,
      stdio: [input, output, output],
      // of a group of its own, which is ended as a whole
      detached: true,
    });
  } finally {
    fs.closeSync(output);
  }
}

/** Resolves when it has ended; rejects when it could not begin. */
function watch(child: ChildProcess, pipe: Pipe, { clock, time }: ShellOptions): Promise<Ran> {
  const { promise, resolve, reject } = Promise.withResolvers<Ran>();
  const output = new Output();
  let ours: "late" | "flood" | undefined;
  const stop = (why: "late" | "flood") => {
    ours ??= why;
    killGroup(child);
  };
  const timer = clock.after(time, () => stop("late"));
  pipe.output.on("data", (chunk: Buffer) => {
    if (!output.take(chunk)) stop("flood");
  });
  const silent = new Promise<void>((done) => pipe.output.on("close", () => done()));
  child.on("error", (error) => {
    timer.cancel();
    reject(error);
  });
  child.on("exit", (code, signal) => {
    timer.cancel();
    // what it has left behind does not outlive it
    killGroup(child);
    // a process that left the group may hold the pipe open for ever
    void within(clock, limits.dotqmail.drain, silent, () => {}).then(() =>
      resolve({ end: endOf(code, signal, ours), output: output.text }),
    );
  });
  return promise;
}

const reasonOf = (thrown: unknown): string =>
  codeOf(thrown) === "ENOENT" ? "it is not installed" : systemReason(thrown);

function endOf(code: number | null, signal: string | null, ours: "late" | "flood" | undefined): ShellEnd {
  if (ours) return { kind: ours };
  return signal !== null || code === null ? { kind: "crashed" } : { kind: "exited", code };
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // nobody is left in it
  }
}

/** The start of what is printed, and how much it was. */
class Output {
  #kept = Buffer.alloc(0);
  #size = 0;

  /** False: it is too much. */
  take(chunk: Buffer): boolean {
    this.#size += chunk.length;
    const room = limits.dotqmail.output - this.#kept.length;
    if (room > 0) this.#kept = Buffer.concat([this.#kept, chunk.subarray(0, room)]);
    return this.#size <= limits.dotqmail.flood;
  }

  get text(): string {
    return this.#kept.toString();
  }
}
