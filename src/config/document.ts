// Writes kenro.toml: every setting with its meaning in place, from the same table that reads it.

import { type Block, blocks } from "./blocks.ts";
import { type Section, sections } from "./schema.ts";
import type { Setting } from "./values.ts";

export type Value = string | number | readonly string[];

/** Values other than the standard ones, by "section.setting" (at the top of the file "setting"). */
export type Choices = Readonly<Record<string, Value>>;

const WIDTH = 100;

const HEAD = [
  "The configuration of this server. Every setting stands here with its meaning; a setting that is taken out has the",
  "value shown in docs/config.md. After a change: kenro reload. Durations: 30s, 5m, 4h, 7d; sizes: 64k, 50M, 1G.",
].join(" ");

/** The text of the file. Every setting without a standard value must be among the choices. */
export function formatConfig(choices: Choices): string {
  const parts = Object.entries(sections as Readonly<Record<string, Section>>).map(([name, section]) =>
    formatSection(name, section, choices),
  );
  return `${comment(HEAD)}\n\n${[...parts, ...Object.entries(blocks).map(exampleOf)].join("\n")}`;
}

/** A block is an example in comments, because there is none at first. */
function exampleOf([name, { meaning, example }]: [string, Block]): string {
  const lines = [`[[${name}]]`, ...example].map((line) => `# ${line}\n`);
  return `${comment(`${meaning} For example:`)}\n#\n${lines.join("")}`;
}

function formatSection(name: string, { meaning, settings }: Section, choices: Choices): string {
  const head = name === "" ? "" : `${comment(meaning)}\n[${name}]\n\n`;
  const lines = Object.entries(settings).map(([setting, row]) => {
    const key = name === "" ? setting : `${name}.${setting}`;
    return `${comment(row.meaning)}\n${setting} = ${formatValue(chosen(key, row, choices))}\n`;
  });
  return `${head}${lines.join("\n")}`;
}

function chosen(key: string, { standard }: Setting, choices: Choices): Value {
  const value = choices[key] ?? standard;
  if (value === undefined) throw new Error(`Bug: the setting "${key}" needs a value`);
  return value;
}

/** A value in TOML; its basic strings escape as JSON does. */
export function formatValue(value: Value): string {
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  return `[${value.map((each) => JSON.stringify(each)).join(", ")}]`;
}

function comment(text: string): string {
  const lines: string[] = [];
  let line = "#";
  for (const word of text.split(" ")) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = "#";
    }
    line += ` ${word}`;
  }
  return [...lines, line].join("\n");
}
