// Where in kenro.toml a setting stands, and which one somebody may have meant, for messages about problems.

import { type Block, blocks } from "./blocks.ts";
import { type Section, sections } from "./schema.ts";

/** Something that is wrong with the setting at `where`. */
export interface Problem {
  /** Section, or block and its number from 0 on; then the setting. */
  readonly where: readonly string[];
  readonly text: string;
}

export const isBlock = ([name = ""]: readonly string[]): boolean => Object.hasOwn(blocks, name);

interface TomlLine {
  /** What it stands in: "" at the top, "smtp", "listener.0" for the first [[listener]]. */
  readonly section: string;
  readonly isHeader: boolean;
  /** The setting that is given here, if one is. */
  readonly key: string | undefined;
}

/** The lines of a file that TOML could read, as far as that can be told of each by itself. */
function linesOf(source: string): readonly TomlLine[] {
  const seen = new Map<string, number>();
  let section = "";
  return source.split("\n").map((line) => {
    const [, brackets, header] = /^\s*(\[\[?)\s*([\w.-]+)\s*\]/.exec(line) ?? [];
    if (header === undefined)
      return { section, isHeader: false, key: /^\s*"?([\w.-]+)"?\s*=/.exec(line)?.[1] };
    const number = seen.get(header) ?? 0;
    seen.set(header, number + 1);
    section = brackets === "[[" ? `${header}.${number}` : header;
    return { section, isHeader: true, key: undefined };
  });
}

/** The line on which a setting, section or block stands, counted from 1; 0 when it does not stand anywhere. */
export function lineOf(source: string, where: readonly string[]): number {
  const lines = linesOf(source);
  const [first = "", second, third] = where;
  const inBlock = isBlock(where) && second !== undefined;
  const section = inBlock ? `${first}.${second}` : first;
  const setting = inBlock ? third : second;
  const tests: readonly ((line: TomlLine) => boolean)[] = [
    (line) => line.section === section && line.key !== undefined && line.key === setting,
    (line) => line.section === "" && (line.key === first || line.key === `${first}.${setting}`),
    (line) => line.isHeader && line.section === section,
    (line) => line.isHeader && line.section === `${first}.0`,
  ];
  const found = tests.map((is) => lines.findIndex(is)).find((at) => at >= 0);
  return (found ?? -1) + 1;
}

/** The setting whose name is closest to an unknown one, if any is close. */
export function nearest(where: readonly string[], key: string): string | undefined {
  const [section = ""] = where;
  const all: Readonly<Record<string, Section | Block>> = { ...sections, ...blocks };
  const settings = Object.entries(all).flatMap(([name, { settings: own }]) =>
    Object.keys(own).map((setting) => (name === "" ? setting : `${name}.${setting}`)),
  );
  const names = where.length === 0 ? [...settings, ...Object.keys(all)] : settings;
  const wanted = section === "" ? key : `${section}.${key}`;
  const scored = names
    .map((name) => ({ name, score: distance(name, wanted) }))
    .sort((a, b) => a.score - b.score);
  const best = scored[0];
  return best && best.name !== "" && best.score <= 3 ? best.name : undefined;
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
