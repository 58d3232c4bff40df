// Parameters of MAIL and RCPT: `KEYWORD=value KEYWORD …` (RFC 5321 §4.1.2), and the values of those we know.

import { err, ok, type Result } from "#base/result.ts";

/** Keyword in upper case → value, or "" without one. */
export type Params = ReadonlyMap<string, string>;

const PARAM = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?$/;
const NONE: Params = new Map();

/** Reads what follows a path. An error is one sentence. */
export function parseParams(text: string): Result<Params> {
  if (text === "") return ok(NONE);
  const params = new Map<string, string>();
  for (const word of text.split(/ +/)) {
    const [, keyword, value = ""] = PARAM.exec(word) ?? [];
    if (keyword === undefined) return err("Parameters are KEYWORD=value");
    const name = keyword.toUpperCase();
    if (params.has(name)) return err(`${name} is given twice`);
    params.set(name, value);
  }
  return ok(params);
}

/** RFC 1870 §3: up to 20 digits. */
export function parseSize(value: string): number | undefined {
  return /^\d{1,20}$/.test(value) ? Number(value) : undefined;
}

/** RFC 6152 §2. */
export function parseBody(value: string): "7bit" | "8bitmime" | undefined {
  const lower = value.toLowerCase();
  return lower === "7bit" || lower === "8bitmime" ? lower : undefined;
}

const XTEXT = /^(?:[!-*,-<>-~]|\+[0-9A-F]{2})*$/;

/** The text of xtext (RFC 3461 §4), or undefined. */
export function parseXtext(value: string): string | undefined {
  if (!XTEXT.test(value)) return undefined;
  return value.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
