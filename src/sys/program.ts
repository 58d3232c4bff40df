// Running another program for what it prints.

import { execFile } from "node:child_process";
import { codeOf, Trouble } from "#base/problem.ts";

export interface ProgramOptions {
  readonly environment: Readonly<Record<string, string>>;
  /** Of its output. */
  readonly bytes: number;
  readonly time: number;
}

/** Its standard output. Trouble with what it complained about when it fails, is missing, takes too long or prints too much. */
export function outputOf(
  program: string,
  words: readonly string[],
  { environment, bytes, time }: ProgramOptions,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = {
      env: environment,
      encoding: "buffer",
      maxBuffer: bytes,
      timeout: time,
      killSignal: "SIGKILL",
    } as const;
    execFile(program, words, options, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      reject(new Trouble("run", `Cannot run ${program}: ${reasonOf(error, stderr.toString())}`, error));
    });
  });
}

function reasonOf(error: Error, complaint: string): string {
  if (codeOf(error) === "ENOENT") return "it is not installed";
  if (codeOf(error) === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER") return "it prints too much";
  if ("killed" in error && error.killed === true) return "it takes too long";
  const lines = complaint.trim().split("\n");
  return (lines.findLast((line) => line.startsWith("fatal:")) ?? lines.at(-1) ?? "").slice(0, 300);
}
