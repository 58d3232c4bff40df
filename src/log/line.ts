// Reads lines of the log back into their parts: the other half of formatLine().

import { parseTai64n } from "#wire/tai64.ts";

export interface LogLine {
  /** ms since 1970. */
  readonly at: number;
  /** "smtpd", "smtpd.1" */
  readonly role: string;
  readonly event: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** A field and its value; a quoted value is passed over as a whole, whatever it looks like inside. */
const FIELD = /(?<= )([A-Za-z0-9_]+)=("(?:[^"\\]|\\.)*"|\S*)/g;

/** The fields of a line; where a name comes twice, the first one. */
export function fieldsOf(line: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const [, name = "", value = ""] of line.matchAll(FIELD)) {
    if (!fields.has(name)) fields.set(name, unquoted(value));
  }
  return fields;
}

/** A line with its stamp, or undefined when it has none. */
export function parseLine(line: string): LogLine | undefined {
  const at = parseTai64n(line);
  const [, role = "", event = ""] = line.split(" ", 3);
  return at === undefined ? undefined : { at, role, event, fields: fieldsOf(line) };
}

function unquoted(value: string): string {
  if (!value.startsWith('"')) return value;
  try {
    return String(JSON.parse(value));
  } catch {
    // cut at the longest line, or not one of our lines: as it stands
    return value;
  }
}
