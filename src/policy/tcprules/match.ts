// Which rules count for a client: as tcpserver looks them up (the first one found), and as Kenro does (address and name, both always).

import { addressBytes, firstBits, formatAddress } from "#base/network.ts";
import { err, ok, type Result } from "#base/result.ts";
import { findInBytes } from "#wire/cdb.ts";
import { octetPrefixes } from "./address.ts";
import type { RuleSet } from "./ruleset.ts";

/** What a rule was found by. */
export type Side = "address" | "name" | "default";

/** A rule that counts, as evidence. */
export interface Match {
  readonly side: Side;
  /** The address of the rule, expanded: "127.", "=.example.com", "". */
  readonly rule: string;
  /** Its line, when the rules were read as text. */
  readonly line: number | undefined;
  readonly verdict: "allow" | "deny";
  readonly variables: ReadonlyMap<string, string>;
  /** As it is in the compiled file. */
  readonly data: Buffer;
}

export interface Judgement {
  readonly verdict: "allow" | "deny";
  /** From all rules that matched; where both set one, the name's counts. */
  readonly variables: ReadonlyMap<string, string>;
  /** None, one, or one for each side. */
  readonly matches: readonly Match[];
}

/** Who connects. */
export interface Client {
  readonly address: string;
  /** Only when it leads back to the address (forward-confirmed): otherwise anybody could give himself any name. */
  readonly name?: string | undefined;
  /** What an ident server says; TCPREMOTEINFO. */
  readonly info?: string | undefined;
}

/**
 * The rules for a client. Two searches that do not see each other, one for the address and one for the name, because a sender is known by both; the
 * rule for everybody (the empty address) counts when neither finds any. One "deny" denies. Nothing found: allow, no variables.
 * An error is a reason to try later: the address is none, or the compiled file is damaged.
 */
export function judgeClient(rules: RuleSet, client: Client): Result<Judgement> {
  const steps = stepsFor(rules, client);
  if (!steps) return err(`"${client.address}" is no IP address`);
  const matches: Match[] = [];
  for (const side of ["address", "name", "default"] as const) {
    if (side === "default" && matches.length > 0) continue;
    const match = firstOf(
      rules,
      steps.filter((step) => step.side === side),
    );
    if (!match.ok) return match;
    if (match.value) matches.push(match.value);
  }
  return ok({
    verdict: matches.some(({ verdict }) => verdict === "deny") ? "deny" : "allow",
    variables: new Map(matches.flatMap(({ variables }) => [...variables])),
    matches,
  });
}

/** The one rule that tcpserver and tcprulescheck take. */
export function firstMatch(rules: RuleSet, client: Client): Result<Match | undefined> {
  const steps = stepsFor(rules, client);
  return steps ? firstOf(rules, steps) : err(`"${client.address}" is no IP address`);
}

interface Step {
  readonly side: Side;
  readonly key: string;
}

/** Every address a rule for this client could have, in the order of tcprules(1). */
function stepsFor({ networks }: RuleSet, client: Client): readonly Step[] | undefined {
  const ip = addressBytes(client.address);
  if (!ip) return undefined;
  const address = formatAddress(ip);
  const name = client.name?.toLowerCase().replace(/\.$/, "") || undefined;
  const { info } = client;
  const steps: Step[] = [];
  const step = (side: Side, key: string) => steps.push({ side, key });
  if (info !== undefined) step("address", `${info}@${address}`);
  if (info !== undefined && name !== undefined) step("name", `${info}@=${name}`);
  step("address", address);
  if (name !== undefined) step("name", `=${name}`);
  for (const key of networksOf(ip, networks[ip.length === 4 ? 4 : 6])) step("address", key);
  if (name !== undefined) for (const suffix of suffixesOf(name)) step("name", `=${suffix}`);
  if (name !== undefined) step("name", "=");
  step("default", "");
  return steps;
}

/** The networks an address is in, smallest first; of two that are the same the one in tcprules' own form ("10.1.") goes first. */
function networksOf(ip: Buffer, lengths: readonly number[]): readonly string[] {
  const own = octetPrefixes(ip);
  const ours = lengths.map((bits) => ({ bits, key: `${formatAddress(firstBits(ip, bits))}/${bits}` }));
  return [...own, ...ours].sort((a, b) => b.bits - a.bits).map(({ key }) => key);
}

/** ".b.c" and ".c" of "a.b.c". */
function* suffixesOf(name: string): Generator<string> {
  for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) yield name.slice(dot);
}

function firstOf(rules: RuleSet, steps: readonly Step[]): Result<Match | undefined> {
  for (const { side, key } of steps) {
    const answer = findInBytes(rules.cdb, Buffer.from(key));
    if (answer.kind === "damaged") return err(`The rules are damaged: ${answer.why}`);
    if (answer.kind === "none") continue;
    const { data, position } = answer;
    return ok({ side, rule: key, line: rules.lineOf(position), ...effectOf(data), data });
  }
  return ok(undefined);
}

/** What the data of a rule says: pieces that end in NUL, "D" denies, "+NAME=VALUE" sets a variable, others are of no meaning. */
function effectOf(data: Buffer): Pick<Match, "verdict" | "variables"> {
  const variables = new Map<string, string>();
  let verdict: Match["verdict"] = "allow";
  for (const piece of piecesOf(data)) {
    const text = piece.toString("utf8");
    const equals = text.indexOf("=");
    if (text.startsWith("D")) verdict = "deny";
    if (text.startsWith("+") && equals > 1) variables.set(text.slice(1, equals), text.slice(equals + 1));
  }
  return { verdict, variables };
}

function* piecesOf(data: Buffer): Generator<Buffer> {
  for (let start = 0, end = data.indexOf(0); end >= 0; start = end + 1, end = data.indexOf(0, start))
    yield data.subarray(start, end);
}

/** The lines, each with its line feed, that tcprulescheck prints; a deny ends them. */
export function checkLines(match: Match | undefined): Buffer {
  if (!match) return Buffer.from("default:\nallow connection\n");
  const parts: (string | Buffer)[] = ["rule ", match.rule, ":\n"];
  for (const piece of piecesOf(match.data)) {
    if (piece[0] === DENY) return joined([...parts, "deny connection\n"]);
    if (piece[0] === SET) parts.push("set environment variable ", piece.subarray(1), "\n");
  }
  return joined([...parts, "allow connection\n"]);
}

const [DENY, SET] = [0x44, 0x2b];

const joined = (parts: readonly (string | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
