// Address lists in header fields (RFC 5322 §3.4), read as leniently as readers have to; the result is what ENVELOPE needs.

export interface HeaderAddress {
  /** Display name, as it stands (encoded words stay); undefined when there is none. */
  readonly name: string | undefined;
  /** Local part; in a group's start its name, in its end undefined. */
  readonly mailbox: string | undefined;
  /** Domain; undefined in the start and end of a group. */
  readonly host: string | undefined;
}

type Token = { readonly kind: "word" | "quoted" | "special"; readonly text: string };

/** Tokens with comments left out; bounded by the field, which is bounded by the header. */
function tokens(text: string): readonly Token[] {
  const found: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at] ?? "";
    if (/\s/.test(char)) at++;
    else if (char === "(") at = skipComment(text, at);
    else if (char === '"') {
      const end = closing(text, at + 1, '"');
      found.push({ kind: "quoted", text: text.slice(at + 1, end).replaceAll(/\\(.)/gs, "$1") });
      at = end + 1;
    } else if ("<>,;:@".includes(char)) {
      found.push({ kind: "special", text: char });
      at++;
    } else {
      const end =
        char === "["
          ? closing(text, at + 1, "]") + 1
          : at + (/^[^\s()<>,;:@"]+/.exec(text.slice(at, at + 1000))?.[0].length ?? 1);
      found.push({ kind: "word", text: text.slice(at, end) });
      at = end;
    }
  }
  return found;
}

function closing(text: string, from: number, mark: string): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === mark) return at;
  }
  return text.length;
}

/** Comments nest (RFC 5322 §3.2.2); an unclosed one goes to the end. */
function skipComment(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const char = text[at];
    if (char === "\\") at++;
    else if (char === "(") depth++;
    else if (char === ")" && --depth === 0) return at + 1;
  }
  return text.length;
}

/** All addresses of a field, groups with their start and end as IMAP wants them. At most 1000. */
// biome-ignore lint/complexity/noExcessiveCognitiveComplexity: one state machine over marks; cut up, its states would have to be passed around
export function parseAddresses(value: string): readonly HeaderAddress[] {
  const result: HeaderAddress[] = [];
  let phrase: Token[] = [];
  let angle: Token[] | undefined;
  let inGroup = false;
  const flush = () => {
    const one = addressOf(phrase, angle);
    if (one) result.push(one);
    phrase = [];
    angle = undefined;
  };
  let inAngle = false;
  for (const token of tokens(value)) {
    if (result.length >= 1000) break;
    const mark = token.kind === "special" ? token.text : "";
    if (mark === "<") {
      inAngle = true;
      angle = [];
    } else if (mark === ">") inAngle = false;
    else if (inAngle) angle?.push(token);
    else if (mark === ",") flush();
    else if (mark === ":" && !inGroup) {
      result.push({ name: undefined, mailbox: joinWords(phrase), host: undefined });
      phrase = [];
      inGroup = true;
    } else if (mark === ";") {
      flush();
      if (inGroup) result.push({ name: undefined, mailbox: undefined, host: undefined });
      inGroup = false;
    } else phrase.push(token);
  }
  flush();
  if (inGroup) result.push({ name: undefined, mailbox: undefined, host: undefined });
  return result;
}

const joinWords = (words: readonly Token[]) => words.map(({ text }) => text).join(" ");
const joinTight = (words: readonly Token[]) => words.map(({ text }) => text).join("");

function addressOf(phrase: readonly Token[], angle: readonly Token[] | undefined): HeaderAddress | undefined {
  const spec = angle ?? phrase;
  // a source route before the address is of no use to anybody (RFC 5322 §4.4)
  const route = angle ? spec.findLastIndex(({ kind, text }) => kind === "special" && text === ":") : -1;
  const rest = spec.slice(route + 1);
  if (rest.length === 0 && phrase.length === 0) return undefined;
  const at = rest.findLastIndex(({ kind, text }) => kind === "special" && text === "@");
  const name = angle && phrase.length > 0 ? joinWords(phrase) : undefined;
  if (at < 0) return { name, mailbox: joinTight(rest), host: "" };
  return { name, mailbox: joinTight(rest.slice(0, at)), host: joinTight(rest.slice(at + 1)) };
}
