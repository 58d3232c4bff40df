// One line of a rules file: `address:allow` or `address:deny`, then `,NAME="value"` as often as wanted. Read as tcprules of ucspi-tcp reads it,
// byte for byte (strings here are latin1: one character is one byte); only what that program refuses may be one of our IPv6 rules.

import { err, ok, type Result } from "#base/result.ts";
import { expandRange, ipv6Key } from "./address.ts";

export interface Rule {
  /** What stands before the colon. */
  readonly address: string;
  /** The addresses it stands for: more than one for a range. */
  readonly keys: readonly string[];
  readonly deny: boolean;
  readonly variables: readonly (readonly [name: string, value: string])[];
}

export type Line =
  | { readonly kind: "rule"; readonly rule: Rule }
  /** Empty, or a comment. */
  | { readonly kind: "nothing" }
  /** It has no colon: tcprules passes by without a word. */
  | { readonly kind: "ignored" }
  /** tcprules refuses the whole file. */
  | { readonly kind: "unreadable"; readonly why: string };

const unreadable = (why: string): Line => ({ kind: "unreadable", why });

/** A line without its line feed. */
export function parseLine(whole: string): Line {
  if (whole.startsWith("#")) return { kind: "nothing" };
  const line = trimmed(whole);
  if (line === "") return { kind: "nothing" };
  const first = line.indexOf(":");
  if (first < 0) return { kind: "ignored" };
  const colon = isInstruction(line, first) ? first : instructionColon(line, first + 1);
  if (colon < 0) return unreadable('behind the colon is neither "allow" nor "deny"');
  const address = line.slice(0, colon);
  const keys = colon === first ? rangeKeys(address) : oneKey(address);
  if (!keys.ok) return unreadable(keys.error);
  const instructions = parseInstructions(line.slice(colon + 1));
  if (!instructions.ok) return unreadable(instructions.error);
  return { kind: "rule", rule: { address, keys: keys.value, ...instructions.value } };
}

/** Without blanks at the end; a loop, because a pattern would need the square of a long line of blanks. */
function trimmed(line: string): string {
  let end = line.length;
  while (end > 0 && (line[end - 1] === " " || line[end - 1] === "\t")) end--;
  return line.slice(0, end);
}

const isInstruction = (line: string, colon: number): boolean =>
  line.startsWith("allow", colon + 1) || line.startsWith("deny", colon + 1);

/** The first colon from `start` on that instructions follow: IPv6 addresses have colons of their own. */
function instructionColon(line: string, start: number): number {
  let colon = line.indexOf(":", start);
  while (colon >= 0 && !isInstruction(line, colon)) colon = line.indexOf(":", colon + 1);
  return colon;
}

function rangeKeys(address: string): Result<readonly string[]> {
  const keys = expandRange(address);
  return keys ? ok(keys) : err("a range needs a number on both sides of its minus sign");
}

function oneKey(address: string): Result<readonly string[]> {
  const key = ipv6Key(address);
  return key.ok ? ok([key.value]) : key;
}

function parseInstructions(text: string): Result<Pick<Rule, "deny" | "variables">> {
  const deny = text.startsWith("deny");
  const variables: (readonly [string, string])[] = [];
  for (let at = deny ? 4 : 5; at < text.length; ) {
    if (text[at] !== ",")
      return err(text[at] === "\r" ? "it ends in a carriage return" : "a comma is missing before a variable");
    const equals = text.indexOf("=", at);
    if (equals < 0) return err("a variable has no equals sign");
    const quote = text[equals + 1];
    if (quote === undefined) return err("a variable has no value");
    const end = text.indexOf(quote, equals + 2);
    if (end < 0) return err("a value does not end with the character it begins with");
    variables.push([text.slice(at + 1, equals), text.slice(equals + 2, end)]);
    at = end + 1;
  }
  return ok({ deny, variables });
}

/** What the compiled file holds for a rule. */
export const ruleData = ({ deny, variables }: Rule): string =>
  (deny ? "D\0" : "") + variables.map(([name, value]) => `+${name}=${value}\0`).join("");
