// Reads the arguments of an IMAP command from its pieces: atoms, strings, literals, lists, numbers (RFC 9051 §9).

import { err, ok, type Result } from "#base/result.ts";
import type { Piece } from "./command.ts";

/** Thrown inside parsers only; `parseArguments` turns it into a value. */
class Misread extends Error {}

/** RFC 9051 §9: what no atom holds: ( ) { SP CTL % * " \ and, for astrings, all of these but "]". */
const ATOM = /[^(){ \x00-\x1f\x7f%*"\\\]\x80-\xff]+/y;
const ASTRING = /[^(){ \x00-\x1f\x7f%*"\\\x80-\xff]+/y;
/** list-char: an atom with wildcards. */
const PATTERN = /[^(){ \x00-\x1f\x7f"\\\x80-\xff]+/y;
const NUMBER = /\d{1,10}/y;
const QUOTED = /"((?:[^"\\\x00\r\n]|\\["\\])*)"/y;
const SEQUENCE = /[\d*][\d:*,]*/y;

export class Arguments {
  readonly #pieces: readonly Piece[];
  #piece = 0;
  #at = 0;

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces;
  }

  fail(what: string): never {
    throw new Misread(what);
  }

  get atEnd(): boolean {
    const piece = this.#pieces[this.#piece];
    return (
      piece === undefined ||
      (typeof piece === "string" && this.#at >= piece.length && !this.#pieces[this.#piece + 1])
    );
  }

  end(): void {
    if (!this.atEnd) this.fail("too many arguments");
  }

  space(): void {
    if (!this.take(" ")) this.fail("a space is missing");
  }

  /** True and past it when `text` comes next, whatever the case. */
  take(text: string): boolean {
    const piece = this.#text();
    if (piece.slice(this.#at, this.#at + text.length).toUpperCase() !== text.toUpperCase()) return false;
    this.#at += text.length;
    return true;
  }

  expect(text: string): void {
    if (!this.take(text)) this.fail(`"${text}" is missing`);
  }

  peek(): string {
    return this.#text()[this.#at] ?? "";
  }

  atom(): string {
    return this.#match(ATOM, "a word");
  }

  /** A word in upper case. */
  keyword(): string {
    return this.atom().toUpperCase();
  }

  number(): number {
    return Number(this.#match(NUMBER, "a number"));
  }

  /** The text of a sequence set, to be read by `parseSequence`. */
  sequence(): string {
    return this.#match(SEQUENCE, "a message set");
  }

  /** A string in any of its forms, as bytes one a character. */
  astring(): string {
    return this.#stringy() ?? this.#match(ASTRING, "a string");
  }

  /** As astring, with wildcards. */
  pattern(): string {
    return this.#stringy() ?? this.#match(PATTERN, "a mailbox name");
  }

  string(): string {
    return this.#stringy() ?? this.fail("a string is missing");
  }

  /** True when the streamed literal is next. */
  literal(): Buffer | undefined {
    const piece = this.#pieces[this.#piece];
    const next = this.#pieces[this.#piece + 1];
    if (typeof piece !== "string" || this.#at < piece.length || !(next instanceof Buffer)) return undefined;
    this.#piece += 2;
    this.#at = 0;
    return next;
  }

  /** "(" items separated by spaces ")"; may be empty. */
  list<T>(item: () => T): readonly T[] {
    this.expect("(");
    const items: T[] = [];
    while (!this.take(")")) {
      if (items.length > 0) this.space();
      items.push(item());
    }
    return items;
  }

  /** A list, or one item without brackets. */
  listOrOne<T>(item: () => T): readonly T[] {
    return this.peek() === "(" ? this.list(item) : [item()];
  }

  #text(): string {
    const piece = this.#pieces[this.#piece];
    return typeof piece === "string" ? piece : "";
  }

  #stringy(): string | undefined {
    const literal = this.literal();
    if (literal) return literal.toString("latin1");
    if (this.peek() !== '"') return undefined;
    const quoted = this.#match(QUOTED, 'a closing "');
    return quoted.slice(1, -1).replaceAll(/\\(.)/g, "$1");
  }

  #match(pattern: RegExp, what: string): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text());
    if (!found) return this.fail(`${what} is missing`);
    this.#at = pattern.lastIndex;
    return found[0];
  }
}

/** Runs a parser over arguments; its value, or what the client did wrong. */
export function parseArguments<T>(args: Arguments, parse: (args: Arguments) => T): Result<T> {
  try {
    return ok(parse(args));
  } catch (thrown) {
    if (thrown instanceof Misread) return err(thrown.message);
    throw thrown;
  }
}

export interface Head {
  readonly tag: string;
  /** In upper case; "UID FETCH" and the like are one verb. */
  readonly verb: string;
  readonly args: Arguments;
}

/** RFC 9051 §9: a tag is ASTRING-CHARs without "+". */
const TAG = /^[^(){ \x00-\x1f\x7f%*"\\+\x80-\xff]{1,250}$/;

/** Tag and verb of a command; undefined when the tag cannot be used for an answer. */
export function readHead(pieces: readonly Piece[]): Head | undefined {
  const [first = "", ...rest] = pieces;
  if (typeof first !== "string") return undefined;
  const [tag = "", ...words] = first.split(" ");
  if (!TAG.test(tag)) return undefined;
  const word = (words[0] ?? "").toUpperCase();
  const second = word === "UID" ? ` ${(words[1] ?? "").toUpperCase()}` : "";
  const used = tag.length + 1 + word.length + second.length;
  return { tag, verb: word + second, args: new Arguments([first.slice(used), ...rest]) };
}
