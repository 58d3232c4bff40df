// Changes to the text of kenro.toml that leave all else in it, comments above all, as somebody has written it.

import { formatValue, type Value } from "#config/document.ts";

/** The text with one setting changed, or added where it is missing. */
export function withSetting(text: string, section: string, name: string, value: Value): string {
  const line = `${name} = ${formatValue(value)}`;
  const lines = text.split("\n");
  const head = lines.findIndex((each) => each.trim() === `[${section}]`);
  if (head < 0) return `${text.replace(/\n*$/, "\n")}\n[${section}]\n${line}\n`;
  const behind = lines.findIndex((each, at) => at > head && /^\s*\[/.test(each));
  const end = behind < 0 ? lines.length : behind;
  const found = lines.findIndex(
    (each, at) => at > head && at < end && new RegExp(`^\\s*${name}\\s*=`).test(each),
  );
  if (found < 0) lines.splice(head + 1, 0, line);
  else lines.splice(found, valueLines(lines, found), line);
  return lines.join("\n");
}

/** Lines that a value takes: lists may go on until their bracket. */
function valueLines(lines: readonly string[], from: number): number {
  const opens = /=\s*\[/.test(lines[from] ?? "");
  if (!opens) return 1;
  const close = lines.findIndex((each, at) => at >= from && /\]\s*(?:#.*)?$/.test(each));
  return close < 0 ? 1 : close - from + 1;
}

/** The text with one more block. */
export function withBlock(text: string, name: string, settings: Readonly<Record<string, Value>>): string {
  const lines = Object.entries(settings).map(([setting, value]) => `${setting} = ${formatValue(value)}\n`);
  return `${text.replace(/\n*$/, "\n")}\n[[${name}]]\n${lines.join("")}`;
}
