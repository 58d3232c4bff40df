// What the macros of an SPF record stand for: RFC 7208 §7.

import { formatAddress } from "#base/network.ts";
import type { Macro, MacroString } from "#wire/records/spf.ts";

/** The value of each macro letter. */
export type MacroValues = Readonly<Record<Macro["letter"], string>>;

/** RFC 7208 §7.3: `i` has dots between its parts, `c` is for people. */
export const addressMacros = (bytes: Buffer): Pick<MacroValues, "i" | "c" | "v"> => ({
  i: bytes.length === 4 ? formatAddress(bytes) : [...bytes.toString("hex")].join("."),
  c: formatAddress(bytes),
  v: bytes.length === 4 ? "in-addr" : "ip6",
});

/** Whether a macro of this letter is used. */
export const usesMacro = (macros: MacroString, letter: Macro["letter"]): boolean =>
  macros.some((part) => typeof part === "object" && part.letter === letter);

/** The text with the values in place: RFC 7208 §7.3. */
export const expandMacros = (macros: MacroString, values: MacroValues): string =>
  macros.map((part) => (typeof part === "string" ? part : transform(part, values[part.letter]))).join("");

function transform({ keep, reversed, delimiters, escaped }: Macro, value: string): string {
  const parts = splitAtAny(value, delimiters);
  const ordered = reversed ? parts.toReversed() : parts;
  const text = ordered.slice(-keep).join(".");
  return escaped ? escapeUrl(text) : text;
}

function splitAtAny(text: string, delimiters: string): readonly string[] {
  const parts: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (!delimiters.includes(text.charAt(at))) continue;
    parts.push(text.slice(start, at));
    start = at + 1;
  }
  return [...parts, text.slice(start)];
}

/** RFC 3986 §2.3: all but letters, digits and "-._~". */
const escapeUrl = (text: string): string =>
  encodeURIComponent(text.toWellFormed()).replaceAll(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );

const LONGEST_NAME = 253;

/**
 * The name to look up that an expanded domain-spec means; undefined when no name can be like that. Too long a name loses labels on
 * the left (RFC 7208 §7.3).
 */
export function targetName(expanded: string): string | undefined {
  const whole = expanded.replace(/\.$/, "");
  const name =
    whole.length > LONGEST_NAME
      ? whole.slice(whole.indexOf(".", whole.length - LONGEST_NAME - 1) + 1)
      : whole;
  if (name.length > LONGEST_NAME || !/^[!-~]+$/.test(name)) return undefined;
  return name.split(".").every((label) => label.length >= 1 && label.length <= 63) ? name : undefined;
}
