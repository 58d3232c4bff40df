// Logger: writes events as lines; never throws, never waits. Secrets do not belong in fields.

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { formatTai64n } from "#wire/tai64.ts";
import { type EventName, events } from "./events.ts";

export type Field = string | number | boolean | undefined;

export interface LoggerOptions {
  readonly role: string;
  readonly clock: Clock;
  /** "info" leaves debug events out. */
  readonly level: "debug" | "info";
  readonly sink: (line: string) => void;
}

const PLAIN = /^[A-Za-z0-9_.:@<>+/=[\],;-]+$/;

/** A value as it stands in a line: bare when plain, else quoted as JSON, so that a line stays one line and fields stay apart. */
function formatField(value: string | number | boolean): string {
  const plain = String(value);
  return PLAIN.test(plain) ? plain : JSON.stringify(plain);
}

/** A line without its newline. */
export function formatLine(
  stamp: string,
  role: string,
  name: string,
  fields: Readonly<Record<string, Field>>,
): string {
  let line = `${stamp} ${role} ${name}`;
  for (const key in fields) {
    const value = fields[key];
    if (value !== undefined) line += ` ${key}=${formatField(value)}`;
  }
  return line.length > limits.log.line ? `${line.slice(0, limits.log.line)}…` : line;
}

export class Logger {
  readonly #options: LoggerOptions;

  constructor(options: LoggerOptions) {
    this.#options = options;
  }

  /** One event with its fields; fields that are undefined are left out. */
  event(name: EventName, fields: Readonly<Record<string, Field>> = {}): void {
    if (events[name].level === "debug" && this.#options.level !== "debug") return;
    const { clock, role, sink } = this.#options;
    sink(formatLine(formatTai64n(clock.now()), role, name, fields));
  }
}
