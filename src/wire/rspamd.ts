// What rspamd answers to POST /checkv2 (rspamd.com, "Rspamd HTTP protocol").

import { err, ok, type Result } from "#base/result.ts";
import { anything, optional, readJson, record, text } from "#base/shape.ts";

export interface SpamAnswer {
  /** "reject", "soft reject", "greylist", "add header", "rewrite subject", "no action", or one of the site's own. */
  readonly action: string;
  readonly score: number;
  /** Points at which it would reject; undefined: it does not say. */
  readonly required: number | undefined;
  /** What it saw, the heaviest first. */
  readonly symbols: readonly string[];
  /** What the client is to be told; "" for nothing. */
  readonly message: string;
  /** Fields to be added, in their order. */
  readonly fields: readonly (readonly [name: string, value: string])[];
}

const shape = record({
  action: text(100),
  error: optional(text(1000)),
  score: optional(anything),
  required_score: optional(anything),
  symbols: optional(anything),
  messages: optional(anything),
  milter: optional(anything),
});

const SYMBOLS = 100;
const FIELDS = 50;
const NAME = /^[!-9;-~]{1,200}$/;

/** The answer, or one sentence that says what is wrong with it. What is not understood of the details is left out. */
export function parseSpamAnswer(body: Buffer): Result<SpamAnswer> {
  const read = readJson(shape, body);
  if (!read.ok) return err(`an answer that cannot be read: ${read.error}`);
  const { action, score, required_score, symbols, messages, milter } = read.value;
  const said = objectOf(messages)["smtp_message"];
  return ok({
    action,
    score: numberOf(score) ?? 0,
    required: numberOf(required_score),
    symbols: symbolsOf(symbols),
    message: typeof said === "string" ? said.slice(0, 500) : "",
    fields: fieldsOf(objectOf(milter)["add_headers"]),
  });
}

const objectOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};

const numberOf = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) ? value : undefined;

function symbolsOf(value: unknown): readonly string[] {
  return Object.entries(objectOf(value))
    .map(([name, symbol]) => [name.slice(0, 100), numberOf(objectOf(symbol)["score"]) ?? 0] as const)
    .sort(([, one], [, other]) => Math.abs(other) - Math.abs(one))
    .slice(0, SYMBOLS)
    .map(([name, score]) => `${name}(${score.toFixed(2)})`);
}

/** `{NAME: "value"}`, `{NAME: {value, order}}`, or a list of either under one name. */
function fieldsOf(value: unknown): SpamAnswer["fields"] {
  const fields: [string, string][] = [];
  for (const [name, given] of Object.entries(objectOf(value))) {
    if (!NAME.test(name)) continue;
    for (const each of Array.isArray(given) ? given : [given]) {
      const one = typeof each === "string" ? each : objectOf(each)["value"];
      if (typeof one === "string" && fields.length < FIELDS) fields.push([name, one]);
    }
  }
  return fields;
}
