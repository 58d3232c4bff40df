// A set of rules ready to be asked, from a file of rules as text or compiled; which of the two it is, its content says.

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";
import { inspectCdb } from "#wire/cdb.ts";
import { networkBits } from "./address.ts";
import { type Compilation, compileRules, lineAt, type Problem } from "./compile.ts";

export interface RuleSet {
  readonly origin: "text" | "compiled";
  readonly cdb: Buffer;
  /** How many rules there are, each part of a range counted as one. */
  readonly size: number;
  /** How long the networks ("10.1.0.0/16") are that rules name, longest first: no others need to be looked up. */
  readonly networks: { readonly 4: readonly number[]; readonly 6: readonly number[] };
  /** What was wrong with the text although it is not refused. */
  readonly problems: readonly Problem[];
  /** How many more of them there were. */
  readonly more: number;
  /** The line that the record at a position came from, when it was text. */
  lineOf(position: number): number | undefined;
}

/** Rules from the bytes of a file (its name is for messages), or one sentence for each of its problems. Strict as in compileRules(). */
export function readRules(bytes: Buffer, name: string, strict: boolean): Result<RuleSet, readonly string[]> {
  if (!isCompiled(bytes)) return readText(bytes, name, strict);
  const rules = readCompiled(bytes);
  return rules.ok ? rules : err([`Cannot use ${name}: ${rules.error}`]);
}

/** Where the header of a cdb lies. */
const HEADER = 2048;

/**
 * Text has no NUL, and a cdb has some in its header: its lengths of tables would otherwise all be above 16 million. A damaged cdb must not pass for
 * text: read as text it would have no rules, and nobody would be refused.
 */
export const isCompiled = (bytes: Buffer): boolean => bytes.subarray(0, HEADER).includes(0);

function readText(bytes: Buffer, name: string, strict: boolean): Result<RuleSet, readonly string[]> {
  const compilation = compileRules(bytes, strict);
  const { compiled, problems } = compilation;
  if (!compiled) return err(sentences(compilation, name));
  // tcprules would make an empty cdb of it, which allows everybody; it is some other file, or what is left of one
  if (compiled.positions.length === 0 && problems.some(({ kind }) => kind === "ignored"))
    return err([...sentences(compilation, name), `Cannot use ${name}: it holds no rule`]);
  const networks = new Networks();
  for (const position of compiled.positions) networks.note(keyAt(compiled.cdb, position));
  return ok({
    origin: "text",
    cdb: compiled.cdb,
    size: compiled.positions.length,
    networks: networks.all(),
    problems,
    more: compilation.more,
    lineOf: (position) => lineAt(compiled, position),
  });
}

const keyAt = (cdb: Buffer, position: number): Buffer =>
  cdb.subarray(position + 8, position + 8 + cdb.readUInt32LE(position));

function readCompiled(cdb: Buffer): Result<RuleSet> {
  if (cdb.length > limits.rules.compiled) return err(`it is longer than ${limits.rules.compiled} bytes`);
  const networks = new Networks();
  let size = 0;
  let foreign: Buffer | undefined;
  const flaw = inspectCdb(cdb, ({ key, data }) => {
    size++;
    networks.note(key);
    if (data.length > 0 && data.at(-1) !== 0) foreign ??= key;
  });
  if (flaw !== undefined) return err(`it is damaged: ${flaw}`);
  if (foreign !== undefined) return err("it was not made by tcprules: a record does not end in NUL");
  return ok({
    origin: "compiled",
    cdb,
    size,
    networks: networks.all(),
    problems: [],
    more: 0,
    lineOf: () => undefined,
  });
}

/** The lengths of networks among keys. */
class Networks {
  readonly #found = { 4: new Set<number>(), 6: new Set<number>() };

  note(key: Buffer): void {
    if (!key.includes(SLASH)) return;
    const network = networkBits(key.toString("latin1"));
    if (network) this.#found[network.family].add(network.bits);
  }

  all(): RuleSet["networks"] {
    const falling = (bits: ReadonlySet<number>) => [...bits].sort((a, b) => b - a);
    return { 4: falling(this.#found[4]), 6: falling(this.#found[6]) };
  }
}

const SLASH = 0x2f;

/** The problems of a text, each with its line, in their order. */
export function sentences(
  { problems, more }: Omit<Compilation, "compiled">,
  name: string,
): readonly string[] {
  const inOrder = problems.toSorted((a, b) => a.line - b.line);
  const lines = inOrder.map(({ line, text }) => `Line ${line} of ${name}: ${text}`);
  return more > 0 ? [...lines, `And ${more} more problems in ${name}`] : lines;
}
