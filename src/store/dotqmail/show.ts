// What a .qmail file would have done, and nothing of it: `qmail-local -n`.

import { ok, type Result } from "#base/result.ts";
import type { Target } from "#wire/dotqmail/environment.ts";
import { describeInstruction, type Instruction, parseInstructions } from "#wire/dotqmail/instructions.ts";
import { didText } from "#wire/dotqmail/report.ts";
import { enterHome, findInstructions, type Stop } from "./home.ts";

export interface Shown {
  /** One line for each instruction, then the counts. */
  readonly lines: readonly string[];
  readonly warning: string;
  /** Why work would end before it is done. */
  readonly stop: Stop | undefined;
}

/** Looks with our own rights; the home becomes the working directory. */
export function showDelivery(target: Target, otherwise: string): Shown {
  const home = enterHome(target.home, true);
  if (!home.ok) return { lines: [], warning: "", stop: home.error };
  const instructions = instructionsFor(target, otherwise);
  if (!instructions.ok) return { lines: [], warning: home.value, stop: instructions.error };
  return { ...showInstructions(instructions.value), warning: home.value };
}

function instructionsFor(target: Target, otherwise: string): Result<readonly Instruction[], Stop> {
  const found = findInstructions(target);
  if (!found.ok) return found;
  const own = found.value.text.length > 0;
  const text = own ? found.value.text : Buffer.from(otherwise);
  const parsed = parseInstructions(text, own && found.value.forwardOnly);
  return parsed.ok ? ok(parsed.value) : { ok: false, error: { kind: "deferred", report: parsed.error } };
}

/** The instructions as lines. */
export function showInstructions(instructions: readonly Instruction[]): Omit<Shown, "warning"> {
  const lines: string[] = [];
  const counts = { files: 0, forward: 0, program: 0 };
  for (const each of instructions) {
    if (each.kind === "refused") return { lines, stop: { kind: "deferred", report: each.text } };
    counts[each.kind === "mbox" || each.kind === "maildir" ? "files" : each.kind]++;
    lines.push(describeInstruction(each));
  }
  return {
    lines: [...lines, didText(counts.files, counts.forward, counts.program).trimEnd()],
    stop: undefined,
  };
}
