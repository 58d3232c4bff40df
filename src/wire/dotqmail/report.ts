// How programs and deliveries end: exit codes and texts, and what they mean for the queue (qmail-command(8), qmail-lspawn(8)).

import type { Outcome, Status } from "#wire/envelope.ts";

/** What an exit code of a program means. */
export type ProgramEnd = "done" | "stop" | "failed" | "deferred";

const FAILED: ReadonlySet<number> = new Set([100, 64, 65, 70, 76, 77, 78, 112]);

export function programEnd(code: number): ProgramEnd {
  if (code === 0) return "done";
  if (code === 99) return "stop";
  return FAILED.has(code) ? "failed" : "deferred";
}

/** The most of a report that is passed on. */
const LONGEST = 3000;
const CUT = "\nError report too long, sorry.\n";

/** A report as the queue keeps it: up to a NUL, and not too long. */
export function reportText(output: string): string {
  const nul = output.indexOf("\0");
  const text = nul < 0 ? output : output.slice(0, nul);
  return text.length > LONGEST ? `${text.slice(0, LONGEST - CUT.length - 3)}${CUT}` : text;
}

/** RFC 3463: the code that a report names, as `(#5.1.1)`, when it is of this class; else the one that says nothing. */
function statusOf(report: string, kind: "4" | "5", otherwise: string): Status {
  const text = reportText(report).trimEnd();
  const named = [...text.matchAll(/\(#([45])(\.\d{1,3}\.\d{1,3})\)/g)].at(-1);
  const code = named?.[1] === kind ? `${kind}${named[2]}` : `${kind}.0.0`;
  return { code, text: text === "" ? otherwise : text };
}

export const failedWith = (report: string): Outcome => ({
  kind: "failed",
  why: statusOf(report, "5", "The delivery failed, and nothing was said about it"),
});

export const deferredWith = (report: string): Outcome => ({
  kind: "deferred",
  why: statusOf(report, "4", "The delivery cannot be made now, and nothing was said about it"),
});

/** What has been done, as qmail's log has it: files, forwards, programs. */
export const didText = (files: number, forwards: number, programs: number): string =>
  `did ${files}+${forwards}+${programs}\n`;
