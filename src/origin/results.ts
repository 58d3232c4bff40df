// The Authentication-Results field (RFC 8601): what was found about the sender, for whoever reads the message later.

import { limits } from "#base/limits.ts";
import type { ClientName } from "./iprev.ts";
import type { SpfAnswer } from "./spf.ts";

export interface Property {
  /** ptype: "smtp", "policy", "header", "body". */
  readonly type: string;
  readonly name: string;
  readonly value: string;
}

/** One method and its result, as IANA lists them; method, result, types and names of properties are our own words. */
export interface MethodResult {
  readonly method: string;
  readonly result: string;
  /** For people. */
  readonly comment?: string | undefined;
  /** For people and programs (RFC 8601 §2.2, reasonspec). */
  readonly reason?: string | undefined;
  readonly properties: readonly Property[];
}

/** RFC 8601 §2.7.3. Without a PTR record: permerror; its names lead elsewhere: fail. */
export function iprevResult(address: string, found: ClientName): MethodResult {
  const results = { verified: "pass", unverified: "fail", none: "permerror", later: "temperror" } as const;
  return {
    method: "iprev",
    result: results[found.kind],
    comment: iprevComment(found),
    properties: [{ type: "policy", name: "iprev", value: address }],
  };
}

function iprevComment(found: ClientName): string {
  switch (found.kind) {
    case "verified":
      return found.name;
    case "none":
      return "no name";
    case "unverified":
    case "later":
      return found.why;
    default:
      return found satisfies never;
  }
}

/** RFC 8601 §2.7.2. A check of the null path, which is one of the HELO name, is written as such. */
export function spfResult(answer: SpfAnswer, sender: string): MethodResult {
  const mailFrom = answer.identity === "mailfrom" && sender !== "";
  const local = sender.slice(0, sender.lastIndexOf("@") + 1);
  return {
    method: "spf",
    result: answer.result,
    comment: answer.why ?? answer.mechanism,
    properties: [
      mailFrom
        ? { type: "smtp", name: "mailfrom", value: `${local}${answer.domain}` }
        : { type: "smtp", name: "helo", value: answer.domain },
    ],
  };
}

/** RFC 8601 §2.7.4: a client that has logged in, by a SASL mechanism. */
export function authResult(account: string, mechanism: string): MethodResult {
  return {
    method: "auth",
    result: "pass",
    comment: mechanism,
    properties: [{ type: "smtp", name: "auth", value: account }],
  };
}

/**
 * The field with its CR LF. `authservId` is our name. Values from outside are quoted where they must be and can end neither line nor
 * field; what is not printable ASCII in them becomes "?". A property whose value is longer than any address is left out.
 */
export function formatResults(authservId: string, results: readonly MethodResult[]): string {
  const head = `Authentication-Results: ${quoteValue(authservId)};`;
  if (results.length === 0) return `${head} none\r\n`;
  return `${head}\r\n\t${results.map(formatResult).join(";\r\n\t")}\r\n`;
}

function formatResult({ method, result, comment, reason, properties }: MethodResult): string {
  const words = [`${method}=${result}`];
  if (comment) words.push(formatComment(comment));
  if (reason) words.push(`reason=${quoted(cut(reason))}`);
  for (const { type, name, value } of properties) {
    if (value.length <= limits.results.value) words.push(`${type}.${name}=${quoteMailbox(value)}`);
  }
  return fold(words);
}

/** RFC 5322 §2.1.1: lines of 78 characters where that is possible. */
const LINE = 78;
/** A tabulator is shown as eight columns. */
const INDENT = 8;

function fold(words: readonly string[]): string {
  let column = INDENT;
  let text = "";
  for (const word of words) {
    const fits = column + 1 + word.length < LINE;
    const space = text === "" ? "" : fits ? " " : "\r\n\t ";
    column = fits ? column + space.length + word.length : INDENT + 1 + word.length;
    text += space + word;
  }
  return text;
}

const cut = (text: string): string => text.slice(0, limits.results.text);

const printable = (text: string): string => text.replaceAll(/[^ -~]/g, "?");

/** RFC 5322 §3.2.2. */
const formatComment = (text: string): string => `(${printable(cut(text)).replaceAll(/[()\\]/g, "\\$&")})`;

const quoted = (text: string): string => `"${printable(text).replaceAll(/["\\]/g, "\\$&")}"`;

/** RFC 2045 §5.1: a token. */
const TOKEN = /^[!#$%&'*+.0-9A-Z^_`a-z{|}~-]+$/;

/** RFC 8601 §2.2: value. */
const quoteValue = (text: string): string => (TOKEN.test(text) ? text : quoted(text));

const ATEXT = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
/** RFC 5321 §4.1.2, without quoted pairs of what needs none. */
const LOCAL = `(?:${ATEXT}(?:\\.${ATEXT})*|"(?:[ !#-\\[\\]-~]|\\\\[ -~])*")`;
const MAILBOX = new RegExp(`^(?:${LOCAL})?@[A-Za-z0-9-]+(?:\\.[A-Za-z0-9-]+)*$`);

/** RFC 8601 §2.2: pvalue; addresses of mailboxes need no quotes around them. */
const quoteMailbox = (text: string): string => (MAILBOX.test(text) ? text : quoteValue(text));

/**
 * Whether a field that came with a message must go, because it claims to be ours (RFC 8601 §5): its authserv-id is `authservId`, in any
 * case, or cannot be read, so that some reader might take it for ours. `body` is what follows the colon, folded as it came.
 */
export function claimsToBeOurs(body: string, authservId: string): boolean {
  const start = skipComments(body, 0);
  if (start === undefined) return true;
  const rest = body.slice(start);
  const word = /^"([^"\\]*(?:\\.[^"\\]*)*)"/s.exec(rest)?.[1]?.replaceAll(/\\(.)/gs, "$1");
  const name = word ?? /^[^\s;()"]+/.exec(rest)?.[0];
  return name === undefined || name === "" || name.toLowerCase() === authservId.toLowerCase();
}

/** RFC 5322 §3.2.2: where white space and comments from `at` on end; undefined: a comment does not. */
function skipComments(text: string, from: number): number | undefined {
  let depth = 0;
  let at = from;
  for (; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === "(") depth++;
    else if (depth > 0 && char === ")") depth--;
    else if (depth > 0 && char === "\\") at++;
    else if (depth === 0 && !/\s/.test(char)) return at;
  }
  return depth === 0 ? at : undefined;
}
