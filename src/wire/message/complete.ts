// Addresses without a domain get one (RFC 6409 §8.1 allows it to whoever takes mail from its author): in place, so that names,
// comments and folds stay as they were written.

import { err, ok, type Result } from "#base/result.ts";

type Mark = "word" | "at" | "dot" | "space" | "comment" | "open" | "close" | "colon" | "end";

interface Piece {
  readonly mark: Mark;
  readonly text: string;
}

/** Quoted strings and domain literals are words; `,` and `;` end a mailbox (RFC 5322 §3.4). */
const PIECES =
  /(?<word>"(?:[^"\\]|\\[\s\S])*"|\[[^\]]*\]|[^\s()<>,;:@."[\]]+)|(?<at>@)|(?<dot>\.)|(?<space>\s+)|(?<open><)|(?<close>>)|(?<colon>:)|(?<end>[,;])/y;

/** The pieces of a field, which together are the field; an error where something is not closed. */
function piecesOf(value: string): Result<readonly Piece[]> {
  const pieces: Piece[] = [];
  let at = 0;
  while (at < value.length) {
    PIECES.lastIndex = at;
    const groups = PIECES.exec(value)?.groups;
    const found = groups && Object.entries(groups).find(([, text]) => text !== undefined);
    const piece = found?.[1] ?? (value[at] === "(" ? comment(value, at) : "");
    if (piece === "") return err(`What begins with "${value.slice(at, at + 20)}" is not closed`);
    pieces.push({ mark: (found?.[0] ?? "comment") as Mark, text: piece });
    at += piece.length;
  }
  return ok(pieces);
}

/** Comments nest (RFC 5322 §3.2.2); "" when this one has no end. */
function comment(value: string, from: number): string {
  let depth = 0;
  for (let at = from; at < value.length; at++) {
    if (value[at] === "\\") at++;
    else if (value[at] === "(") depth++;
    else if (value[at] === ")" && --depth === 0) return value.slice(from, at + 1);
  }
  return "";
}

/** The mailbox being read: outside of angle brackets, or inside. */
class Completion {
  readonly #suffix: string;
  readonly #out: string[] = [];
  /** Index in `out` behind the last word of the address; 0: there is none. */
  #end = 0;
  #hasDomain = false;
  /** What came last but spaces and comments; and whether these came since. */
  #last: Mark | undefined;
  #apart = false;
  /** Two words that nothing joins: a name before an address in brackets, and else a comma forgotten. */
  #phrase = false;
  #inAngle = false;
  #hadAngle = false;
  flaw: string | undefined;

  constructor(domain: string) {
    this.#suffix = `@${domain}`;
  }

  take({ mark, text }: Piece): void {
    if (mark === "end" && !this.#inAngle) this.#finish();
    else if (mark === "close") this.#close();
    this.#out.push(text);
    if (mark === "space" || mark === "comment") this.#apart = true;
    else this.#note(mark);
  }

  end(): string {
    this.#finish();
    return this.#out.join("");
  }

  #note(mark: Mark): void {
    if (mark === "word") {
      this.#end = this.#out.length;
      if (this.#last === "word" && this.#apart) this.#phrase = true;
    } else if (mark === "at") this.#hasDomain = true;
    else if (mark === "open") this.#open();
    else if (mark === "colon") this.#restart();
    this.#last = mark;
    this.#apart = false;
  }

  #open(): void {
    if (this.#inAngle || this.#hadAngle) this.flaw ??= 'A comma is missing before "<"';
    this.#restart();
    this.#inAngle = true;
  }

  #close(): void {
    if (!this.#inAngle) this.flaw ??= '">" closes nothing';
    this.#complete();
    this.#restart();
    this.#inAngle = false;
    this.#hadAngle = true;
  }

  /** A mailbox ends. */
  #finish(): void {
    if (this.#inAngle) this.flaw ??= '"<" is not closed';
    if (!this.#hadAngle) this.#complete();
    this.#restart();
    this.#hadAngle = false;
    this.#last = undefined;
  }

  #complete(): void {
    if (this.#phrase) this.flaw ??= "A comma is missing between two addresses";
    if (this.#end > 0 && !this.#hasDomain) this.#out[this.#end - 1] += this.#suffix;
  }

  #restart(): void {
    this.#end = 0;
    this.#hasDomain = false;
    this.#phrase = false;
  }
}

/** The value of an address field, `@domain` behind every address that has none; an error when it is no list of addresses. */
export function completeAddresses(value: string, domain: string): Result<string> {
  const pieces = piecesOf(value);
  if (!pieces.ok) return pieces;
  const completion = new Completion(domain);
  for (const piece of pieces.value) completion.take(piece);
  const completed = completion.end();
  return completion.flaw === undefined ? ok(completed) : err(completion.flaw);
}
