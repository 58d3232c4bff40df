// Rules as text → the cdb that tcpserver reads, byte for byte what tcprules makes of them, and every problem of the text at once.

import { limits } from "#base/limits.ts";
import { CdbWriter, findInBytes } from "#wire/cdb.ts";
import { whyUseless } from "./address.ts";
import { type Line, parseLine, type Rule, ruleData } from "./parse.ts";
import { knownVariables } from "./variables.ts";

/**
 * unreadable: tcprules refuses the file, and so do we. The others it takes without a word: ignored lines have no colon, useless rules can match no client,
 * values make no sense to us, repeated rules come behind another for the same address, which wins.
 */
export type ProblemKind = "unreadable" | "ignored" | "useless" | "value" | "repeated";

export interface Problem {
  readonly line: number;
  readonly kind: ProblemKind;
  /** A sentence without the line's number. */
  readonly text: string;
}

export interface Compiled {
  readonly cdb: Buffer;
  /** Where the records begin, ascending, and the line of each. */
  readonly positions: Uint32Array;
  readonly lines: Uint32Array;
}

/** What became of a text; with `compiled` undefined it is refused. At most limits.rules.problems of each kind are kept. */
export interface Compilation {
  readonly compiled: Compiled | undefined;
  readonly problems: readonly Problem[];
  /** How many more there were. */
  readonly more: number;
}

/** Compiles rules. Strict: what tcprules passes by without a word refuses the file too, but for repeated rules. */
export function compileRules(text: Buffer, strict: boolean): Compilation {
  const compiler = new Compiler(strict);
  if (text.length > limits.rules.text)
    compiler.report(1, "unreadable", `The file is longer than ${limits.rules.text} bytes`);
  else for (const [number, line] of linesOf(text)) compiler.take(number, line);
  return compiler.finish();
}

/** Lines with their numbers, the last one also without a line feed; latin1, so that every byte stays what it is. */
function* linesOf(text: Buffer): Generator<readonly [number, string]> {
  let number = 1;
  for (let start = 0; start < text.length; number++) {
    const feed = text.indexOf(10, start);
    const end = feed < 0 ? text.length : feed;
    yield [number, text.toString("latin1", start, end)];
    start = end + 1;
  }
}

class Compiler {
  readonly #strict: boolean;
  readonly #writer = new CdbWriter(limits.rules.compiled);
  readonly #positions: number[] = [];
  readonly #lines: number[] = [];
  readonly #problems: Problem[] = [];
  readonly #counts = new Map<ProblemKind, number>();
  #refused = false;
  #full = false;

  constructor(strict: boolean) {
    this.#strict = strict;
  }

  report(line: number, kind: ProblemKind, text: string): void {
    const before = this.#counts.get(kind) ?? 0;
    this.#counts.set(kind, before + 1);
    if (before < limits.rules.problems) this.#problems.push({ line, kind, text });
    if (kind === "unreadable" || (this.#strict && kind !== "repeated")) this.#refused = true;
  }

  take(number: number, text: string): void {
    const line: Line = parseLine(text);
    switch (line.kind) {
      case "nothing":
        return;
      case "ignored":
        return this.report(number, "ignored", `${quoted(text)} has no colon and is ignored`);
      case "unreadable":
        return this.report(number, "unreadable", `Cannot understand ${quoted(text)}: ${line.why}`);
      case "rule":
        this.#check(number, line.rule);
        return this.#add(number, line.rule);
    }
  }

  finish(): Compilation {
    const kept = this.#problems.length;
    const all = this.#counts.values().reduce((sum, count) => sum + count, 0);
    const compiled = this.#refused
      ? undefined
      : {
          cdb: this.#writer.finish(),
          positions: Uint32Array.from(this.#positions),
          lines: Uint32Array.from(this.#lines),
        };
    return { compiled, problems: this.#problems, more: all - kept };
  }

  #add(number: number, rule: Rule): void {
    if (this.#full) return;
    const data = Buffer.from(ruleData(rule), "latin1");
    for (const key of rule.keys) {
      const position = this.#writer.add(Buffer.from(key, "latin1"), data);
      if (position === undefined) {
        this.#full = true;
        const most = `More rules than ${limits.rules.compiled} compiled bytes can hold`;
        return this.report(number, "unreadable", most);
      }
      this.#positions.push(position);
      this.#lines.push(number);
    }
  }

  #check(number: number, rule: Rule): void {
    const { keys, address, variables } = rule;
    const useless = keys.length === 0 ? "the range is empty" : whyUseless(keys[0] ?? "");
    if (useless !== undefined)
      this.report(number, "useless", `${quoted(address)} matches no client: ${useless}`);
    for (const [name, value] of variables) {
      if (!/^[A-Za-z_]\w*$/.test(name))
        this.report(number, "value", `${quoted(name)} is not the name of a variable`);
      if (value.includes("\0")) this.report(number, "value", `The value of ${quoted(name)} holds a NUL`);
    }
    for (const problem of knownVariables(new Map(variables)).problems)
      this.report(number, "value", `Cannot use the value of ${problem}`);
  }
}

/** A part of the file, safe to show and not too long. */
function quoted(latin1: string): string {
  const text = Buffer.from(latin1.slice(0, SHOWN + 1), "latin1").toString("utf8");
  const plain = text.replaceAll(/[\0-\x1f\x7f-\x9f]/g, "?");
  return latin1.length > SHOWN ? `"${plain.slice(0, -1)}…"` : `"${plain}"`;
}

const SHOWN = 100;

/** The rules that never count because one before them is for the same address; one problem for each line. */
export function repeatedRules({ cdb, positions, lines }: Compiled): readonly Problem[] {
  const problems: Problem[] = [];
  for (const [at, position] of positions.entries()) {
    const key = cdb.subarray(position + 8, position + 8 + cdb.readUInt32LE(position));
    const found = findInBytes(cdb, key);
    if (found.kind !== "found" || found.position === position) continue;
    const line = lines[at] ?? 0;
    if (problems.at(-1)?.line === line) continue;
    const winner = lineAt({ positions, lines }, found.position);
    const text = `The rule for ${quoted(key.toString("latin1"))} does not count: line ${winner} has one`;
    problems.push({ line, kind: "repeated", text });
  }
  return problems;
}

/** The line that a record came from. */
export function lineAt({ positions, lines }: Omit<Compiled, "cdb">, position: number): number | undefined {
  let low = 0;
  let high = positions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((positions[middle] ?? 0) < position) low = middle + 1;
    else high = middle;
  }
  return positions[low] === position ? lines[low] : undefined;
}
