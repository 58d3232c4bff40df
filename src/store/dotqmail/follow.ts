// Follows the instructions of a .qmail file in order, each at most once if a record of what is done says so (docs/dotqmail.md P4–P6).

import { createHash } from "node:crypto";
import type { Instruction } from "#wire/dotqmail/instructions.ts";
import { didText, type ProgramEnd } from "#wire/dotqmail/report.ts";

/** What can be done with a message. A text is why it could not be done now. */
export interface Actions {
  /** `copy`: how many times this line was there before. */
  maildir(path: string, copy: number): Promise<string | undefined>;
  mbox(path: string): Promise<string | undefined>;
  /** `key`: of the line, for whoever keeps the record of what is done himself. */
  program(command: string, key: string): Promise<{ readonly end: ProgramEnd; readonly report: string }>;
}

/** Which lines are done, by their keys. */
export interface Progress {
  has(key: string): boolean;
  /** Resolves when it is durable. */
  mark(key: string): Promise<void>;
}

export type Followed =
  /** `forwards`: where the message goes on to. */
  | { readonly kind: "done"; readonly report: string; readonly forwards: readonly string[] }
  | { readonly kind: "failed" | "deferred"; readonly report: string };

type Line = Exclude<Instruction, { kind: "refused" | "forward" }>;

type Step =
  | { readonly kind: "done" | "stop"; readonly report: string }
  | { readonly kind: "failed" | "deferred"; readonly report: string };

/** Behind the key of a program that ended with 99. */
export const STOPPED = "!";

/** Keys of lines look like this. */
export const keyPattern = /^[0-9a-f]{16}\.\d{1,7}!?$/;

/** Never rejects but with what `progress.mark` rejects. */
export async function follow(
  instructions: readonly Instruction[],
  actions: Actions,
  progress: Progress,
): Promise<Followed> {
  const forwards: string[] = [];
  const seen = new Map<string, number>();
  let report = "";
  let files = 0;
  let programs = 0;
  for (const instruction of instructions) {
    if (instruction.kind === "refused") return { kind: "deferred", report: `${report}${instruction.text}\n` };
    if (instruction.kind === "forward") {
      forwards.push(instruction.address);
      continue;
    }
    if (instruction.kind === "program") programs++;
    else files++;
    const text = textOf(instruction);
    const copy = seen.get(text) ?? 0;
    seen.set(text, copy + 1);
    const step = await once(instruction, { key: keyOf(text, copy), copy }, actions, progress);
    report += step.report;
    if (step.kind === "failed" || step.kind === "deferred") return { kind: step.kind, report };
    if (step.kind === "stop") break;
  }
  return { kind: "done", report: `${report}${didText(files, forwards.length, programs)}`, forwards };
}

const textOf = (line: Line): string => `${line.kind}\0${line.kind === "program" ? line.command : line.path}`;

const keyOf = (text: string, copy: number): string =>
  `${createHash("sha256").update(text).digest("hex").slice(0, 16)}.${copy}`;

/** P5 and P6. */
async function once(
  line: Line,
  { key, copy }: { readonly key: string; readonly copy: number },
  actions: Actions,
  progress: Progress,
): Promise<Step> {
  if (progress.has(key)) return { kind: "done", report: "" };
  if (progress.has(`${key}${STOPPED}`)) return { kind: "stop", report: "" };
  const step = await run(line, { key, copy }, actions);
  if (step.kind === "done") await progress.mark(key);
  if (step.kind === "stop") await progress.mark(`${key}${STOPPED}`);
  return step;
}

async function run(
  line: Line,
  { key, copy }: { readonly key: string; readonly copy: number },
  actions: Actions,
): Promise<Step> {
  if (line.kind === "program") {
    const { end, report } = await actions.program(line.command, key);
    return { kind: end, report: report === "" || report.endsWith("\n") ? report : `${report}\n` };
  }
  const flaw = line.kind === "mbox" ? await actions.mbox(line.path) : await actions.maildir(line.path, copy);
  return flaw === undefined ? { kind: "done", report: "" } : { kind: "deferred", report: `${flaw}\n` };
}
