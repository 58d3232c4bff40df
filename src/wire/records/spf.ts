// The text of an SPF record: RFC 7208 §4.6, §5, §6, §7.1. A record is right as a whole or not at all.

import { addressBytes } from "#base/network.ts";
import { err, ok, type Result } from "#base/result.ts";

export type Qualifier = "+" | "-" | "~" | "?";

/** `%{ir}`, `%{l1r-}`: RFC 7208 §7. */
export interface Macro {
  readonly letter: "s" | "l" | "o" | "d" | "i" | "p" | "v" | "h" | "c" | "r" | "t";
  /** Written in upper case: the value is URL-escaped. */
  readonly escaped: boolean;
  /** Labels to keep, from the right; Infinity: all. */
  readonly keep: number;
  readonly reversed: boolean;
  /** The value is split at any of these. */
  readonly delimiters: string;
}

/** Plain text and macros in turn. */
export type MacroString = readonly (string | Macro)[];

export type Mechanism =
  | { readonly kind: "all" }
  | { readonly kind: "include"; readonly domain: MacroString }
  | { readonly kind: "exists"; readonly domain: MacroString }
  /** Without a domain: the current one. */
  | { readonly kind: "ptr"; readonly domain: MacroString | undefined }
  | {
      readonly kind: "a" | "mx";
      readonly domain: MacroString | undefined;
      readonly bits4: number;
      readonly bits6: number;
    }
  /** 4 bytes or 16. */
  | { readonly kind: "ip"; readonly network: Buffer; readonly bits: number };

export interface Directive {
  readonly qualifier: Qualifier;
  readonly mechanism: Mechanism;
  /** As it is in the record. */
  readonly text: string;
}

export interface SpfRecord {
  readonly directives: readonly Directive[];
  readonly redirect: MacroString | undefined;
  readonly exp: MacroString | undefined;
}

/** Whether a TXT record is an SPF record at all, right or wrong: RFC 7208 §4.5. */
export const isSpf = (text: string): boolean => /^v=spf1(?: |$)/i.test(text);

/** Reads a record that is one (isSpf); otherwise what is wrong in it, in printable ASCII. */
export function parseSpf(text: string): Result<SpfRecord> {
  const directives: Directive[] = [];
  const modifiers = new Map<string, MacroString>();
  for (const term of text.slice("v=spf1".length).split(" ")) {
    if (term === "") continue;
    const read = MODIFIER.test(term) ? takeModifier(term, modifiers) : parseDirective(term);
    if (!read.ok) return read;
    if (read.value) directives.push(read.value);
  }
  return ok({ directives, redirect: modifiers.get("redirect"), exp: modifiers.get("exp") });
}

const SHOWN = 60;
const wrong = (what: string, term: string): Result<never> =>
  err(`${what} in "${term.slice(0, SHOWN).replaceAll(/[^!-~]/g, "?")}"`);

/** RFC 7208 §12: name "=" macro-string. */
const MODIFIER = /^[a-z][a-z0-9_.-]*=/i;

/** Puts the modifier among the others; those with names that we do not know are right when their macros are (§6). */
function takeModifier(term: string, modifiers: Map<string, MacroString>): Result<undefined> {
  const equals = term.indexOf("=");
  const name = term.slice(0, equals).toLowerCase();
  const value = term.slice(equals + 1);
  const known = name === "redirect" || name === "exp";
  const read = known ? parseDomainSpec(value) : parseMacros(value);
  if (!read) return wrong(known ? "no domain" : "wrong macro", term);
  // §6: these two at most once
  if (known && modifiers.has(name)) return wrong("second modifier of its kind", term);
  modifiers.set(name, read);
  return ok(undefined);
}

function parseDirective(term: string): Result<Directive> {
  const [, sign = "", name = "", rest = ""] = /^([+?~-]?)([a-z0-9]+)(.*)$/is.exec(term) ?? [];
  const parse = MECHANISMS.get(name.toLowerCase());
  if (!parse) return wrong("unknown mechanism", term);
  const mechanism = parse(rest);
  if (!mechanism) return wrong("wrong argument", term);
  return ok({ qualifier: (sign || "+") as Qualifier, mechanism, text: term });
}

const MECHANISMS: ReadonlyMap<string, (rest: string) => Mechanism | undefined> = new Map([
  ["all", (rest: string) => (rest === "" ? { kind: "all" } : undefined)],
  ["include", (rest) => withDomain("include", rest)],
  ["exists", (rest) => withDomain("exists", rest)],
  ["a", (rest) => withNetwork("a", rest)],
  ["mx", (rest) => withNetwork("mx", rest)],
  ["ptr", parsePtr],
  ["ip4", parseIp4],
  ["ip6", parseIp6],
]);

function withDomain(kind: "include" | "exists", rest: string): Mechanism | undefined {
  const domain = rest.startsWith(":") ? parseDomainSpec(rest.slice(1)) : undefined;
  return domain && { kind, domain };
}

function parsePtr(rest: string): Mechanism | undefined {
  if (rest === "") return { kind: "ptr", domain: undefined };
  const domain = rest.startsWith(":") ? parseDomainSpec(rest.slice(1)) : undefined;
  return domain && { kind: "ptr", domain };
}

/** §5.3, §5.4: [":" domain-spec] [dual-cidr-length]. */
function withNetwork(kind: "a" | "mx", rest: string): Mechanism | undefined {
  const lengths = /(?:\/(\d+))?(?:\/\/(\d+))?$/.exec(rest);
  const name = rest.slice(0, lengths?.index ?? rest.length);
  const [bits4, bits6] = [prefixLength(lengths?.[1], 32), prefixLength(lengths?.[2], 128)];
  if (bits4 === undefined || bits6 === undefined) return undefined;
  if (name === "") return { kind, domain: undefined, bits4, bits6 };
  const domain = name.startsWith(":") ? parseDomainSpec(name.slice(1)) : undefined;
  return domain && { kind, domain, bits4, bits6 };
}

/** Without one: a whole address. §5.6: no zeros in front. */
function prefixLength(text: string | undefined, most: number): number | undefined {
  if (text === undefined) return most;
  return /^(?:0|[1-9]\d{0,2})$/.test(text) && Number(text) <= most ? Number(text) : undefined;
}

function parseIp4(rest: string): Mechanism | undefined {
  const [, address = "", length] = /^:([\d.]+)(?:\/(\d+))?$/.exec(rest) ?? [];
  const [network, bits] = [addressBytes(address), prefixLength(length, 32)];
  return network && bits !== undefined ? { kind: "ip", network, bits } : undefined;
}

const MAPPED = Buffer.from("00000000000000000000ffff", "hex");

function parseIp6(rest: string): Mechanism | undefined {
  const [, address = "", length] = /^:([0-9a-f:.]*)(?:\/(\d+))?$/i.exec(rest) ?? [];
  const [bytes, bits] = [addressBytes(address), prefixLength(length, 128)];
  if (!bytes || bits === undefined || !address.includes(":")) return undefined;
  // a mapped address stays an IPv6 one here: with a short prefix it stands for all of IPv6
  return { kind: "ip", network: bytes.length === 4 ? Buffer.concat([MAPPED, bytes]) : bytes, bits };
}

/** §7.1: the last label is a top-level domain, or a macro ends the whole. */
function parseDomainSpec(text: string): MacroString | undefined {
  const macros = parseMacros(text);
  if (!macros || macros.length === 0) return undefined;
  if (/%(?:\{[^}]*\}|[%_-])$/.test(text)) return macros;
  const name = text.replace(/\.$/, "");
  const dot = name.lastIndexOf(".");
  return dot >= 0 && isTopLabel(name.slice(dot + 1)) ? macros : undefined;
}

/** §7.1: letters, digits and hyphens inside, not digits only. */
export const isTopLabel = (label: string): boolean =>
  label.length <= 63 && /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/i.test(label) && /[a-z-]/i.test(label);

const MACRO = /%\{([slodipvh])(\d*)(r?)([.+,/_=-]*)\}|%([%_-])|([!-$&-~]+)/iy;
/** The text that `exp` names may also have spaces and c, r and t: §7.2, §7.3. */
const EXPLANATION = /%\{([slodipvhcrt])(\d*)(r?)([.+,/_=-]*)\}|%([%_-])|([ -$&-~]+)/iy;
const PLAIN: Readonly<Record<string, string>> = { "%": "%", _: " ", "-": "%20" };

/** Reads a macro-string (§7.1); undefined: it is none. */
export function parseMacros(
  text: string,
  where: "domain" | "explanation" = "domain",
): MacroString | undefined {
  const parts: (string | Macro)[] = [];
  const pattern = where === "domain" ? MACRO : EXPLANATION;
  pattern.lastIndex = 0;
  while (pattern.lastIndex < text.length) {
    const found = pattern.exec(text);
    if (!found) return undefined;
    const [, letter, digits = "", reverse, delimiters = "", sign, plain] = found;
    if (letter === undefined) {
      parts.push(plain ?? PLAIN[sign ?? ""] ?? "");
      continue;
    }
    // §7.1: a number of labels is not zero
    if (digits !== "" && Number(digits) === 0) return undefined;
    parts.push({
      letter: letter.toLowerCase() as Macro["letter"],
      escaped: letter !== letter.toLowerCase(),
      keep: digits === "" ? Number.POSITIVE_INFINITY : Number(digits),
      reversed: reverse !== "",
      delimiters: delimiters === "" ? "." : delimiters,
    });
  }
  return parts;
}
