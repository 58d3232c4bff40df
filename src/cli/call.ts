// A call of a command: what it is given and how it answers.

import type { ExitCode } from "./exit.ts";

/** What every command is given. */
export interface Call {
  /** The data directory, absolute. */
  readonly directory: string;
  /** --dir or KENRO_DIR as it was given, if it was. */
  readonly given: string | undefined;
  readonly json: boolean;
  /** Arguments in their order; an optional one that is missing is undefined. */
  readonly args: readonly (string | undefined)[];
  /** The command's own options by name. */
  readonly options: Readonly<Record<string, unknown>>;
}

export type Run = (call: Call) => Promise<ExitCode>;

/** One sentence on stderr. */
export function complain(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
}

/** One line on stdout. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** A value on stdout for programs. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2));
}
