// Names: does a client's name look like one in a row of many, as providers give to lines of their customers? By patterns of a feed.

import { addressBytes } from "#base/network.ts";
import { err, ok, type Result } from "#base/result.ts";

export interface NamePatterns {
  /** Words of lines without a server: "dyn", "pool". */
  readonly words: ReadonlySet<string>;
  /** Words of machines that are meant to serve: "static", "mail". */
  readonly servers: ReadonlySet<string>;
  /** Ends of names that are dynamic whatever else they say; each begins with a dot. */
  readonly suffixes: ReadonlySet<string>;
}

/** Lines of `word NAME`, `server NAME`, `suffix .NAME`; "#" begins a comment. An error is every line that cannot be read. */
export function parsePatterns(text: string): Result<NamePatterns, readonly string[]> {
  const into = { word: new Set<string>(), server: new Set<string>(), suffix: new Set<string>() };
  const problems: string[] = [];
  for (const [at, raw] of text.split("\n").entries()) {
    const line = raw.replace(/#.*/, "").trim().toLowerCase();
    if (line === "") continue;
    const [, kind, value = ""] = /^(word|server|suffix)\s+(\S+)$/.exec(line) ?? [];
    const wanted = kind === "suffix" ? /^(?:\.[a-z0-9_-]+)+$/ : /^[a-z]+$/;
    if (kind === undefined) problems.push(`Line ${at + 1}: expected "word", "server" or "suffix" and a name`);
    else if (!wanted.test(value)) problems.push(`Line ${at + 1}: "${value}" cannot be a ${kind}`);
    else into[kind as keyof typeof into].add(value);
  }
  if (problems.length > 0) return err(problems);
  return ok({ words: into.word, servers: into.server, suffixes: into.suffix });
}

/** Why a name looks dynamic, or undefined. The name is in lower case; the address is the client's, which such names often contain. */
export function isDynamic(name: string, address: string, patterns: NamePatterns): string | undefined {
  const labels = name.split(".");
  for (let at = 1; at < labels.length; at++) {
    const suffix = `.${labels.slice(at).join(".")}`;
    if (patterns.suffixes.has(suffix)) return `${name} ends in ${suffix}`;
  }
  // the last two labels are whose it is, not what it is
  const host = labels.slice(0, Math.max(1, labels.length - 2)).join(".");
  const words = host.split(/[^a-z]+/);
  const server = words.some((each) => patterns.servers.has(each));
  const numbered = holdsAddress(host, address);
  const word = words.find((each) => patterns.words.has(each));
  if (server) return undefined;
  if (word !== undefined && (numbered || /\d/.test(host))) return `${name} says "${word}" with a number`;
  return numbered ? `${name} holds the address` : undefined;
}

/** The address in any of the forms in which providers number their lines: decimal forwards or backwards, padded, hexadecimal. */
function holdsAddress(host: string, address: string): boolean {
  const parsed = addressBytes(address);
  if (!parsed) return false;
  const bytes = [...parsed];
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (bytes.length > 4) return holdsHex(host, hex);
  if (host.includes(hex)) return true;
  const padded = bytes.map((byte) => String(byte).padStart(3, "0"));
  if (host.includes(padded.join("")) || host.includes([...padded].reverse().join(""))) return true;
  const numbers = (host.match(/\d+/g) ?? []).map(Number).join(".");
  return rows(bytes).some((row) => `.${numbers}.`.includes(`.${row.join(".")}.`));
}

/** Three octets in a row say enough: the fourth is often in another label or left out. */
function rows(octets: readonly number[]): readonly (readonly number[])[] {
  const backwards = [...octets].reverse();
  return [octets, backwards].flatMap((all) => [all.slice(0, 3), all.slice(1)]);
}

/** A row of twelve digits of an IPv6 address, with or without what separates them. */
function holdsHex(host: string, hex: string): boolean {
  const digits = host.replace(/[^0-9a-f]/g, "");
  for (let at = 0; at + 12 <= hex.length; at++) {
    const run = hex.slice(at, at + 12);
    if (!/^0+$/.test(run) && digits.includes(run)) return true;
  }
  return false;
}
