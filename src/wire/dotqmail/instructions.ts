// The language of .qmail files: lines of bytes to instructions, with qmail's rules and texts (dot-qmail(5)).

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";

export type Instruction =
  | { readonly kind: "maildir"; readonly path: string }
  | { readonly kind: "mbox"; readonly path: string }
  | { readonly kind: "program"; readonly command: string }
  | { readonly kind: "forward"; readonly address: string }
  /** A line at which work stops for now, when it comes to it. */
  | { readonly kind: "refused"; readonly text: string };

/** Texts of lines that cannot be followed; all of them are temporary, so that their owner can mend the file. */
export const refusals = {
  blank: "Uh-oh: first line of .qmail file is blank. (#4.2.1)",
  fileInForwards: "Uh-oh: .qmail has file delivery but has x bit set. (#4.7.0)",
  programInForwards: "Uh-oh: .qmail has prog delivery but has x bit set. (#4.7.0)",
  bytes: "Uh-oh: .qmail file has a line that is not UTF-8. (#4.2.1)",
  nul: "Uh-oh: .qmail file has a NUL byte. (#4.2.1)",
  large: "Uh-oh: .qmail file is too large. (#4.3.0)",
  many: "Uh-oh: .qmail file has too many forwards. (#4.3.0)",
} as const;

/**
 * The instructions of a file, in order. `forwardOnly`: its execute bit is set. An error is what keeps all of it from being followed.
 */
export function parseInstructions(file: Buffer, forwardOnly: boolean): Result<readonly Instruction[]> {
  if (file.length > limits.dotqmail.file) return err(refusals.large);
  if (file.includes(0)) return err(refusals.nul);
  const found: Instruction[] = [];
  let forwards = 0;
  let only = forwardOnly;
  for (const [number, line] of linesOf(file).entries()) {
    if (line === "+list") only = true;
    const instruction = instructionOf(line, number === 0, only);
    if (instruction?.kind === "forward" && ++forwards > limits.forward.recipients) return err(refusals.many);
    if (instruction) found.push(instruction);
  }
  return ok(found);
}

/** Lines without blanks at their end, one character for each byte. A last line without a line end counts; an empty file is one blank line. */
function linesOf(file: Buffer): readonly string[] {
  const text = file.toString("latin1");
  const lines = (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
  return lines.map((line) => {
    let end = line.length;
    while (end > 0 && (line[end - 1] === " " || line[end - 1] === "\t")) end--;
    return line.slice(0, end);
  });
}

function instructionOf(line: string, first: boolean, forwardOnly: boolean): Instruction | undefined {
  if (line === "") return first ? { kind: "refused", text: refusals.blank } : undefined;
  const mark = line.charAt(0);
  // "+list" was seen before; other + lines are for programs that are yet to be written
  if (mark === "#" || mark === "+") return undefined;
  const told = decoded(mark === "|" || mark === "&" ? line.slice(1) : line);
  if (told === undefined) return { kind: "refused", text: refusals.bytes };
  switch (mark) {
    case "|":
      return forwardOnly
        ? { kind: "refused", text: refusals.programInForwards }
        : { kind: "program", command: told };
    case ".":
    case "/":
      if (forwardOnly) return { kind: "refused", text: refusals.fileInForwards };
      return { kind: line.endsWith("/") ? "maildir" : "mbox", path: told };
    default:
      return { kind: "forward", address: told };
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Programs and names of files are given to the system as UTF-8: what is none would become something else. */
function decoded(bytes: string): string | undefined {
  try {
    return utf8.decode(Buffer.from(bytes, "latin1"));
  } catch {
    // not UTF-8
    return undefined;
  }
}

/** What `qmail-local -n` says of an instruction. */
export function describeInstruction(instruction: Exclude<Instruction, { kind: "refused" }>): string {
  switch (instruction.kind) {
    case "maildir":
      return `maildir ${instruction.path}`;
    case "mbox":
      return `mbox ${instruction.path}`;
    case "program":
      return `program ${instruction.command}`;
    case "forward":
      return `forward ${instruction.address}`;
    default:
      return instruction satisfies never;
  }
}
