// Addresses, domains and quotas as the command line is given them; Refusal when they are none.

import type { Result } from "#base/result.ts";
import { parseSize } from "#config/units.ts";
import { type AccountAddress, parseAccount, parseDomain, parseTarget } from "#store/accounts/address.ts";
import { Refusal, usage } from "./exit.ts";

function taken<T>(parsed: Result<T>, what: string): T {
  if (!parsed.ok) throw usage(`Cannot use this ${what}: ${parsed.error}`);
  return parsed.value;
}

export const accountAddress = (given: string | undefined): AccountAddress =>
  taken(parseAccount(given ?? ""), "address");

export const targetAddress = (given: string): string => taken(parseTarget(given), "address");

export const domainName = (given: string | undefined): string => taken(parseDomain(given ?? ""), "domain");

/** Only of this domain, when one is given. */
export const onlyDomain = (given: string | undefined): string | undefined =>
  given === undefined ? undefined : domainName(given);

/** The arguments behind the first. */
export const rest = (args: readonly (string | undefined)[]): readonly string[] =>
  args.slice(1).filter((each) => each !== undefined);

/** An option that takes a value or one of some words, which stand for values; undefined: it was not given. */
export function worded<T>(
  given: unknown,
  words: Readonly<Record<string, T>>,
  parse: (text: string) => T,
): T | undefined {
  if (given === undefined) return undefined;
  const text = String(given);
  return Object.hasOwn(words, text) ? words[text] : parse(text);
}

export function sizeOf(text: string): number {
  const size = parseSize(text);
  if (!size.ok) throw usage(`Cannot use the size "${text}": expected ${size.error}`);
  return size.value;
}

export function countOf(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw usage(`Cannot use "${text}": give a number`);
  return Number(text);
}

export function yesOrNo(given: unknown, name: string): boolean | undefined {
  if (given === undefined) return undefined;
  if (given !== "yes" && given !== "no") throw usage(`Cannot use ${name} "${given}": give yes or no`);
  return given === "yes";
}

/** Ends with the sentence that says why something was not done, if it was not. */
export function unless(problem: string | undefined): void {
  if (problem !== undefined) throw new Refusal(problem);
}
