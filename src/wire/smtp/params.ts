// Parameters of commands: `KEYWORD=value KEYWORD …` (RFC 5321 §4.1.2), and the values of those that say how a message is sent. What
// reports are wanted is in dsnparams.ts, when it shall be delivered in times.ts.

import { err, ok, type Result } from "#base/result.ts";

/** Keyword in upper case → value, or "" without one. */
export type Params = ReadonlyMap<string, string>;

/** RFC 6531 §3.3 lets values be in UTF-8; which of them may is for their readers to say. */
const PARAM = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u00a1-\u{10ffff}]+))?$/u;
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

export type Body = "7bit" | "8bitmime" | "binarymime";

/** RFC 6152 §2, RFC 3030 §3. */
export function parseBody(value: string): Body | undefined {
  const lower = value.toLowerCase();
  return lower === "7bit" || lower === "8bitmime" || lower === "binarymime" ? lower : undefined;
}

/** RFC 6710 §4.1: −9 to 9. */
export function parsePriority(value: string): number | undefined {
  // "-0" would be another 0
  return /^-?[1-9]$|^0$/.test(value) ? Number(value) : undefined;
}
