// Search keys (RFC 9051 §6.4.4) as a tree.

import type { Arguments } from "./lexer.ts";
import { parseDay } from "./response.ts";
import { parseSequence, type SequenceSet } from "./sequence.ts";

export type SearchKey =
  | { readonly kind: "all" }
  | { readonly kind: "and"; readonly keys: readonly SearchKey[] }
  | { readonly kind: "or"; readonly keys: readonly [SearchKey, SearchKey] }
  | { readonly kind: "not"; readonly key: SearchKey }
  | { readonly kind: "sequence" | "uid"; readonly set: SequenceSet }
  /** Letter of a flag, or "recent". */
  | { readonly kind: "flag"; readonly letter: string; readonly set: boolean }
  | { readonly kind: "recent"; readonly set: boolean }
  | { readonly kind: "header"; readonly name: string; readonly text: string }
  /** In the whole message, or in its body only. */
  | { readonly kind: "text" | "body"; readonly text: string }
  | { readonly kind: "larger" | "smaller"; readonly size: number }
  /** Days in ms since 1970; `sent` looks at the Date field. */
  | { readonly kind: "date"; readonly sent: boolean; readonly from: number; readonly to: number };

const DAY = 86_400_000;
const DEEPEST = 50;

const flags: Readonly<Record<string, SearchKey>> = Object.fromEntries(
  [
    ["ANSWERED", "R"],
    ["FLAGGED", "F"],
    ["DELETED", "T"],
    ["SEEN", "S"],
    ["DRAFT", "D"],
  ].flatMap(([name = "", letter = ""]) => [
    [name, { kind: "flag", letter, set: true } as const],
    [`UN${name}`, { kind: "flag", letter, set: false } as const],
  ]),
);

type Reader = (args: Arguments) => SearchKey;

const text = (args: Arguments): string => {
  args.space();
  return args.astring();
};

const header =
  (name: string): Reader =>
  (args) => ({ kind: "header", name, text: text(args) });

const date =
  (sent: boolean, range: (day: number) => { readonly from: number; readonly to: number }): Reader =>
  (args) => {
    const day = parseDay(text(args));
    if (day === undefined) return args.fail("the date is not valid");
    return { kind: "date", sent, ...range(day) };
  };

const before = (day: number) => ({ from: Number.NEGATIVE_INFINITY, to: day });
const on = (day: number) => ({ from: day, to: day + DAY });
const since = (day: number) => ({ from: day, to: Number.POSITIVE_INFINITY });

const size =
  (kind: "larger" | "smaller"): Reader =>
  (args) => {
    args.space();
    return { kind, size: args.number() };
  };

/** Only $Forwarded is kept; no message has another keyword. */
const keyword = (args: Arguments, set: boolean): SearchKey => {
  if (text(args).toLowerCase() === "$forwarded") return { kind: "flag", letter: "P", set };
  return set ? { kind: "not", key: { kind: "all" } } : { kind: "all" };
};

const readers: Readonly<Record<string, Reader>> = {
  ALL: () => ({ kind: "all" }),
  NEW: () => ({
    kind: "and",
    keys: [
      { kind: "recent", set: true },
      { kind: "flag", letter: "S", set: false },
    ],
  }),
  OLD: () => ({ kind: "recent", set: false }),
  RECENT: () => ({ kind: "recent", set: true }),
  FROM: header("From"),
  TO: header("To"),
  CC: header("Cc"),
  BCC: header("Bcc"),
  SUBJECT: header("Subject"),
  HEADER: (args) => ({ kind: "header", name: text(args), text: text(args) }),
  TEXT: (args) => ({ kind: "text", text: text(args) }),
  BODY: (args) => ({ kind: "body", text: text(args) }),
  KEYWORD: (args) => keyword(args, true),
  UNKEYWORD: (args) => keyword(args, false),
  LARGER: size("larger"),
  SMALLER: size("smaller"),
  BEFORE: date(false, before),
  ON: date(false, on),
  SINCE: date(false, since),
  SENTBEFORE: date(true, before),
  SENTON: date(true, on),
  SENTSINCE: date(true, since),
  UID: (args) => {
    args.space();
    return { kind: "uid", set: sequence(args) };
  },
};

function sequence(args: Arguments): SequenceSet {
  const set = parseSequence(args.sequence());
  return set.ok ? set.value : args.fail(set.error);
}

function readKey(args: Arguments, depth: number): SearchKey {
  if (depth > DEEPEST) return args.fail("the search is nested too deeply");
  if (args.peek() === "(") return { kind: "and", keys: args.list(() => readKey(args, depth + 1)) };
  if (/[\d*]/.test(args.peek())) return { kind: "sequence", set: sequence(args) };
  const word = args.keyword();
  if (word === "NOT") {
    args.space();
    return { kind: "not", key: readKey(args, depth + 1) };
  }
  if (word === "OR") {
    args.space();
    const first = readKey(args, depth + 1);
    args.space();
    return { kind: "or", keys: [first, readKey(args, depth + 1)] };
  }
  const reader = Object.hasOwn(readers, word) ? readers[word] : undefined;
  return flags[word] ?? (reader ? reader(args) : args.fail(`unknown search key "${word}"`));
}

export interface Search {
  readonly charset: string;
  readonly key: SearchKey;
}

/** The arguments of SEARCH, the space before them taken. */
export function readSearch(args: Arguments): Search {
  let charset = "US-ASCII";
  if (args.take("CHARSET ")) {
    charset = args.astring().toUpperCase();
    args.space();
  }
  const keys = [readKey(args, 0)];
  while (args.take(" ")) keys.push(readKey(args, 0));
  args.end();
  return { charset, key: { kind: "and", keys } };
}

/** Ms since 1970 of the start (as if UTC) of the day that a Date field tells, in its own zone; undefined when it tells none. */
export function dayOfDate(value: string): number | undefined {
  const [, day, month, year = ""] = /(\d{1,2})\s+([a-z]{3})[a-z]*\s+(\d{2,4})/i.exec(value) ?? [];
  if (day === undefined || month === undefined) return undefined;
  // RFC 5322 §4.3: two digits up to 49 are this century's, two and three digits else count from 1900
  const full =
    year.length === 2 && Number(year) < 50
      ? Number(year) + 2000
      : Number(year) + (year.length < 4 ? 1900 : 0);
  return parseDay(`${day}-${month}-${full}`);
}
