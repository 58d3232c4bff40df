// qmail's control files (control.c, constmap.c): one value, a number, or a list; bytes, one a character.

/** An entry of a list with its place in the file. */
export interface Entry {
  readonly line: number;
  readonly text: string;
}

/** The first line without what is blank at its end; it may be empty, which is another thing than no file. */
export const parseValue = (text: string): string => (text.split("\n")[0] ?? "").replace(/[ \t\n]+$/, "");

/** Leading digits; undefined without any: then what is usual holds. */
export function parseNumber(text: string): number | undefined {
  const digits = /^\d+/.exec(parseValue(text))?.[0];
  return digits === undefined ? undefined : Number(digits);
}

/** Entries, one a line, without blank ones and comments. */
export const parseList = (text: string): readonly Entry[] =>
  text
    .split("\n")
    .map((line, at) => ({ line: at + 1, text: line.replace(/[ \t\n]+$/, "") }))
    .filter(({ text: each }) => each !== "" && !each.startsWith("#"));

export interface Pair {
  readonly line: number;
  /** In lower case: lists are compared so. */
  readonly key: string;
  readonly value: string;
}

/** `key:value`, one a line; of equal keys the last one counts, and lines without a colon do not. */
export function parsePairs(text: string): readonly Pair[] {
  const found = new Map<string, Pair>();
  for (const { line, text: each } of parseList(text)) {
    const colon = each.indexOf(":");
    if (colon < 0) continue;
    const key = each.slice(0, colon).toLowerCase();
    found.delete(key);
    found.set(key, { line, key, value: each.slice(colon + 1) });
  }
  return [...found.values()];
}

/** The value for an address among virtualdomains (qmail-send(8)): the whole address, its domain, `.suffix`es of that, longest first, and the rest. */
export function findVirtual(address: string, virtual: ReadonlyMap<string, string>): string | undefined {
  const whole = address.toLowerCase();
  const domain = whole.slice(whole.lastIndexOf("@") + 1);
  const suffixes = [...domain.matchAll(/\./g)].map(({ index }) => domain.slice(index));
  for (const key of [whole, domain, ...suffixes, ""]) if (virtual.has(key)) return virtual.get(key);
  return undefined;
}
