// kenro rules compile, check: access rules by address and name, as tcprules and tcprulescheck of ucspi-tcp.

import fs from "node:fs";
import path from "node:path";
import { limits } from "#base/limits.ts";
import { addressBytes } from "#base/network.ts";
import { codeOf } from "#base/problem.ts";
import { compileRules, repeatedRules } from "#policy/tcprules/compile.ts";
import { type Client, checkLines, firstMatch, type Judgement, judgeClient } from "#policy/tcprules/match.ts";
import { isCompiled, type RuleSet, readRules, sentences } from "#policy/tcprules/ruleset.ts";
import { knownVariables } from "#policy/tcprules/variables.ts";
import { realDisk, replaceSynced } from "#sys/disk.ts";
import { type Call, complain, print, printJson, type Run } from "../call.ts";
import { type ExitCode, Refusal, usage } from "../exit.ts";
import { readInput, STDIN } from "../input.ts";
import { harmless } from "../text.ts";

/** As tcprules makes it: rules are no secret, and the server is another user. */
const MODE = 0o644;

export const compile: Run = async ({ args, options, json }) => {
  const file = args[0] ?? STDIN;
  const output = outputFor(file, options["output"] as string | undefined);
  const text = await readInput(file, limits.rules.text);
  const name = nameOf(file);
  if (isCompiled(text)) throw new Refusal(`Cannot compile ${name}: it is not text`);
  const { compiled, problems, more } = compileRules(text, options["strict"] === true);
  const all = compiled ? [...problems, ...repeatedRules(compiled)] : problems;
  if (!json) for (const sentence of sentences({ problems: all, more }, name)) complain(sentence);
  if (compiled) await replace(output, compiled.cdb);
  const rules = compiled?.positions.length;
  if (json) printJson({ output, written: compiled !== undefined, rules: rules ?? null, problems: all, more });
  else if (compiled) print(`Wrote ${output}: ${rules} rule${rules === 1 ? "" : "s"}`);
  else complain(`${output} stays as it was`);
  return compiled ? 0 : 1;
};

function outputFor(file: string, given: string | undefined): string {
  if (given === undefined && file === STDIN) throw usage("Give a file to write to: --output smtp.cdb");
  const output = given ?? `${file}.cdb`;
  if (file !== STDIN && path.resolve(file) === path.resolve(output))
    throw usage(`Cannot write to "${output}": it is the file to read`);
  return output;
}

/** Links stay links; pipes and devices stay what they are. */
async function replace(output: string, bytes: Buffer): Promise<void> {
  const there = fs.statSync(output, { throwIfNoEntry: false });
  if (there && !there.isFile()) throw new Refusal(`Cannot write to "${output}": it is not a file`);
  const place = there ? fs.realpathSync(output) : output;
  await replaceSynced(realDisk, place, bytes, MODE).catch((thrown: unknown) => {
    if (codeOf(thrown) !== "ENOENT" && codeOf(thrown) !== "ENOTDIR") throw thrown;
    throw new Refusal(`Cannot write to "${output}": there is no such directory`);
  });
}

const nameOf = (file: string): string => (file === STDIN ? "standard input" : path.basename(file));

export const check: Run = async (call) => {
  const { args, options, json } = call;
  const file = args[0] ?? STDIN;
  const client = clientOf(call);
  const name = nameOf(file);
  const read = readRules(await readInput(file, limits.rules.compiled), name, options["strict"] === true);
  if (!read.ok) throw new Refusal(read.error.join("\n"));
  const rules = read.value;
  const first = firstMatch(rules, client);
  const judgement = judgeClient(rules, client);
  // an answer for an address and for rules that were inspected; whatever else it is, it may go by
  if (!first.ok || !judgement.ok) throw new Refusal(first.ok ? "There is no answer" : first.error, 111);
  const lines = checkLines(first.value);
  if (json) return printJudgement(judgement.value, lines, rules);
  for (const sentence of sentences(rules, name)) complain(sentence);
  process.stdout.write(lines);
  for (const line of explanation(judgement.value, client, name)) print(harmless(line));
  return 0;
};

function clientOf({ options }: Call): Client {
  const { ip, name, info } = options as Readonly<Record<string, string | undefined>>;
  if (ip === undefined || !addressBytes(ip)) throw usage(`"${ip}" is no IP address`);
  return { address: ip, name, info };
}

function printJudgement({ verdict, variables, matches }: Judgement, lines: Buffer, rules: RuleSet): ExitCode {
  printJson({
    verdict,
    variables: Object.fromEntries(variables),
    matches: matches.map((match) => ({
      side: match.side,
      rule: match.rule,
      line: match.line ?? null,
      verdict: match.verdict,
      variables: Object.fromEntries(match.variables),
    })),
    tcprulescheck: lines.toString().trimEnd().split("\n"),
    problems: rules.problems,
  });
  return 0;
}

/** What Kenro does and why: tcpserver takes one rule, Kenro one for the address and one for the name. */
function* explanation(judgement: Judgement, client: Client, file: string): Generator<string> {
  const { matches, verdict, variables } = judgement;
  const sides = [
    ["address", `Address ${client.address}`],
    ...(client.name ? ([["name", `Name ${client.name}`]] as const) : []),
    ...(matches.some(({ side }) => side !== "default") ? [] : ([["default", "Everybody"]] as const)),
  ] as const;
  for (const [side, who] of sides) {
    const match = matches.find((each) => each.side === side);
    if (!match) {
      yield `${who}: no rule`;
      continue;
    }
    const where = match.line === undefined ? "" : ` in line ${match.line} of ${file}`;
    const what = match.verdict === "deny" ? "denies" : "allows";
    yield `${who}: rule "${match.rule}"${where} ${what}${setting(match.variables)}`;
  }
  yield `Kenro: ${verdict}${setting(variables)}`;
  for (const problem of knownVariables(variables).problems) yield `Kenro cannot use the value of ${problem}`;
}

const setting = (variables: ReadonlyMap<string, string>): string =>
  [...variables].map(([name, value]) => `, ${name}="${value}"`).join("");
