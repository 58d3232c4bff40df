// Address fields as qmail-inject reads and writes them: RFC 822 tokens, lists of addresses read from right to left, lines folded
// behind commas. What is no token is no field; text is bytes, one a character.

import { err, ok, type Result } from "#base/result.ts";

/** Tokens that have a text: an atom, a quoted string, a domain literal, a comment; without what encloses them. */
type Worded = "atom" | "quote" | "literal" | "comment";
type Sign = "." | "," | "@" | "<" | ">" | ":" | ";";

export type Token = { readonly kind: Worded; readonly text: string } | { readonly kind: Sign };

const SIGNS = ".,@<>:;";
/** What ends an atom. */
const BREAK = ' \t\r\n([.,@<>:;"';

const closings: Readonly<Record<string, readonly [kind: Worded, end: string]>> = {
  '"': ["quote", '"'],
  "[": ["literal", "]"],
  "(": ["comment", ")"],
};

interface Read {
  readonly token: Token;
  /** Where what follows begins. */
  readonly end: number;
}

/** The tokens of a text. An error where something is not closed, or closes nothing. */
export function parseTokens(text: string): Result<readonly Token[]> {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at] ?? "";
    if (" \t\r\n".includes(char)) {
      at++;
      continue;
    }
    const read = readToken(text, at, char);
    if (!read) return err(`What begins with "${text.slice(at, at + 20)}" is not closed`);
    tokens.push(read.token);
    at = read.end;
  }
  return ok(tokens);
}

function readToken(text: string, at: number, char: string): Read | undefined {
  if (SIGNS.includes(char)) return { token: { kind: char as Sign }, end: at + 1 };
  if (char === ")" || char === "]") return undefined;
  const closing = closings[char];
  return closing ? readEnclosed(text, at, closing) : readAtom(text, at);
}

/** Comments nest (RFC 822 §3.1.4); of those inside the parentheses are left out. */
function readEnclosed(text: string, from: number, [kind, end]: readonly [Worded, string]): Read | undefined {
  let depth = 1;
  let found = "";
  for (let at = from + 1; at < text.length; at++) {
    const char = text[at] ?? "";
    if (char === end) depth--;
    else if (kind === "comment" && char === "(") depth++;
    else if (char === "\\" && ++at >= text.length) return undefined;
    else found += text[at];
    if (depth === 0) return { token: { kind, text: found }, end: at + 1 };
  }
  return undefined;
}

/** An atom with what RFC 822 does not allow in one is a quoted string that somebody forgot to quote. */
function readAtom(text: string, from: number): Read {
  let found = "";
  let at = from;
  do {
    if (text[at] === "\\" && ++at >= text.length) break;
    found += text[at];
    at++;
  } while (at < text.length && !BREAK.includes(text[at] ?? ""));
  return { token: { kind: /[^ -~]|[)\]\\]/.test(found) ? "quote" : "atom", text: found }, end: at };
}

const isWord = (token: Token | undefined): boolean => token !== undefined && "text" in token;

/** Whether there is a space between two tokens. */
const isApart = (before: Token | undefined, token: Token): boolean =>
  before !== undefined &&
  (before.kind === ":" || before.kind === "," || token.kind === "<" || (isWord(before) && isWord(token)));

const enclosing: Readonly<Record<Worded, readonly [string, string]>> = {
  atom: ["", ""],
  quote: ['"', '"'],
  literal: ["[", "]"],
  comment: ["(", ")"],
};

function formatToken(token: Token): string {
  if (!("text" in token)) return token.kind;
  const [open, close] = enclosing[token.kind];
  return `${open}${token.text.replaceAll(/["[\]()\\\r\n]/g, "\\$&")}${close}`;
}

/** Columns of a line, as far as commas allow. */
const COLUMNS = 80;

/** The tokens as text, folded behind commas, with a line end. */
export function formatTokens(tokens: readonly Token[]): string {
  // each part ends with a comma, but for the last
  const parts: string[] = [""];
  for (const [at, token] of tokens.entries()) {
    const space = isApart(tokens[at - 1], token) ? " " : "";
    parts[parts.length - 1] += space + formatToken(token);
    if (token.kind === ",") parts.push("");
  }
  const lines: string[] = [];
  let line = parts[0] ?? "";
  for (const part of parts.slice(1)) {
    // qmail counts the fold that it takes back
    if (part === "" || line.length + 2 + part.length <= COLUMNS) line += part;
    else {
      lines.push(line);
      line = ` ${part}`;
    }
  }
  return `${[...lines, line].join("\n")}\n`;
}

/** The tokens without quotes and comments: an address as it stands in an envelope of qmail's. */
export const unquoteTokens = (tokens: readonly Token[]): string =>
  tokens
    .map((token) => {
      if (!("text" in token)) return token.kind;
      if (token.kind === "comment") return "";
      return token.kind === "literal" ? `[${token.text}]` : token.text;
    })
    .join("");

/** Rewrites an address; it may be empty (`<>`). */
export type Rewrite = (address: readonly Token[]) => readonly Token[];

/**
 * A field with every address of its list rewritten, those without a comma between them parted. The first two tokens are the name and its colon.
 * Addresses come to `rewrite` from right to left: that is how lists are easily read. Undefined: it is no list of addresses.
 */
export function rewriteList(field: readonly Token[], rewrite: Rewrite): readonly Token[] | undefined {
  const list = new List(field.slice(2), rewrite);
  const rewritten = list.run();
  return rewritten && [...field.slice(0, 2), ...rewritten];
}

const COMMA: Token = { kind: "," };

/** What may stand in front of an address in angle brackets: a name. */
const inName = ({ kind }: Token): boolean =>
  kind === "comment" || kind === "atom" || kind === "quote" || kind === "@" || kind === ".";

class List {
  readonly #tokens: readonly Token[];
  readonly #rewrite: Rewrite;
  /** From right to left, both. */
  readonly #out: Token[] = [];
  #address: Token[] = [];
  #at: number;
  #inGroup = false;
  /** A word may go on with the address; else a comma is missing. */
  #joins = true;

  constructor(tokens: readonly Token[], rewrite: Rewrite) {
    this.#tokens = tokens;
    this.#rewrite = rewrite;
    this.#at = tokens.length - 1;
  }

  run(): readonly Token[] | undefined {
    for (let token = this.#here(); token; token = this.#here()) if (!this.#take(token)) return undefined;
    this.#end();
    return this.#out.reverse();
  }

  #here(): Token | undefined {
    return this.#tokens[this.#at];
  }

  /** False: this is no list. */
  #take(token: Token): boolean {
    switch (token.kind) {
      case ";":
        return this.#endGroup();
      case ":":
        return this.#startGroup();
      case ">":
        return this.#angle();
      case "atom":
      case "quote":
      case "literal":
        if (!this.#joins) this.#part();
        this.#joins = false;
        this.#address.push(token);
        this.#at--;
        return true;
      case ",":
        this.#end();
        this.#joins = true;
        return this.#pass();
      case "comment":
        // as good as a space
        return this.#pass();
      default:
        this.#joins = true;
        this.#address.push(token);
        this.#at--;
        return true;
    }
  }

  #endGroup(): boolean {
    this.#part();
    if (this.#inGroup) return false;
    this.#inGroup = true;
    this.#joins = true;
    return this.#pass();
  }

  #startGroup(): boolean {
    this.#end();
    if (!this.#inGroup) return false;
    this.#inGroup = false;
    this.#passWhile(({ kind }) => kind !== ",");
    if (this.#here()) this.#pass();
    this.#joins = true;
    return true;
  }

  #angle(): boolean {
    this.#part();
    this.#pass();
    for (let token = this.#here(); token && token.kind !== "<"; token = this.#here()) {
      this.#address.push(token);
      this.#at--;
    }
    // also one without anything: <>
    this.#close();
    if (!this.#here()) return false;
    this.#pass();
    this.#passWhile(inName);
    this.#joins = false;
    return true;
  }

  #pass(): true {
    const token = this.#here();
    if (token) this.#out.push(token);
    this.#at--;
    return true;
  }

  #passWhile(wanted: (token: Token) => boolean): void {
    for (let token = this.#here(); token && wanted(token); token = this.#here()) this.#pass();
  }

  #close(): void {
    this.#out.push(...this.#rewrite(this.#address.toReversed()).toReversed());
    this.#address = [];
  }

  #end(): void {
    if (this.#address.length > 0) this.#close();
  }

  #part(): void {
    if (this.#address.length === 0) return;
    this.#close();
    this.#out.push(COMMA);
  }
}

/** What needs no quotes (qmail's quote.c); as bytes. */
const PLAIN = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;

/** Whether a local part needs quotes. */
export const needsQuotes = (local: string): boolean => !PLAIN.test(local);

/** `local@domain` with the local part quoted where it must be; a text without "@" is all local part. */
export function quoteAddress(address: string): string {
  if (address === "") return "";
  const at = address.lastIndexOf("@");
  const local = at < 0 ? address : address.slice(0, at);
  const quoted = needsQuotes(local) ? `"${local.replaceAll(/[\r\n"\\]/g, "\\$&")}"` : local;
  return at < 0 ? quoted : quoted + address.slice(at);
}
