// The command line of sendmail, as the programs that call it write it (docs/sendmail.md).

import type { DropHead } from "#store/drop/file.ts";
import { Ending } from "./sysexits.ts";

type Notify = NonNullable<DropHead["recipients"][number]["notify"]>;

export interface Options {
  /** Deliver standard input, speak SMTP, list the queue, rebuild aliases, try the queue now. */
  mode: "deliver" | "smtp" | "list" | "aliases" | "flush";
  /** -t */
  readHeader: boolean;
  /** No -i: a line with one dot ends the message. */
  dotEnds: boolean;
  /** -f; "" or "<>" is the null sender. */
  sender: string | undefined;
  /** -F */
  name: string | undefined;
  notify: Notify | undefined;
  ret: "full" | "headers" | undefined;
  envid: string | undefined;
  readonly recipients: string[];
  /** --dir */
  directory: string | undefined;
}

const modes: Readonly<Record<string, Options["mode"]>> = {
  m: "deliver",
  s: "smtp",
  p: "list",
  i: "aliases",
};

/** RFC 3461 §4.1. */
function notifyOf(given: string): Notify {
  const words = given.toLowerCase().split(",");
  if (words.length === 1 && words[0] === "never") return [];
  const known = ["success", "failure", "delay"] as const;
  const found = known.filter((each) => words.includes(each));
  if (found.length === words.length) return found;
  throw new Ending("usage", `Cannot use -N "${given}": give never, or some of success,failure,delay`);
}

/** RFC 3461 §4.3. */
function retOf(given: string): "full" | "headers" {
  const ret = { full: "full", hdrs: "headers" } as const;
  const known = given.toLowerCase();
  if (known === "full" || known === "hdrs") return ret[known];
  throw new Ending("usage", `Cannot use -R "${given}": give full or hdrs`);
}

/** RFC 3461 §4.4. */
function envidOf(given: string): string {
  if (/^[!-~]{1,100}$/.test(given)) return given;
  throw new Ending("usage", "Cannot use -V: give at most 100 letters, digits and signs");
}

function modeOf(given: string): Options["mode"] {
  const mode = modes[given];
  if (mode) return mode;
  const more = given === "d" || given === "D" ? "; start the server with: kenro start" : "";
  throw new Ending("usage", `Cannot do -b${given}: give -bm, -bs, -bp or -bi${more}`);
}

type Take = (options: Options, value: string) => void;

const nothing: Take = () => {
  // what Sendmail's other modes, queues and configuration files want
};

const sender: Take = (options, value) => {
  options.sender = value === "<>" ? "" : value;
};

/** Options with a value, in the same word or the next. */
const valued: Readonly<Record<string, Take>> = {
  f: sender,
  r: sender,
  F: (options, value) => {
    options.name = value;
  },
  N: (options, value) => {
    options.notify = notifyOf(value);
  },
  R: (options, value) => {
    options.ret = retOf(value);
  },
  V: (options, value) => {
    options.envid = envidOf(value);
  },
  b: (options, value) => {
    options.mode = modeOf(value);
  },
  // -oi as -i; of the others there is nothing that matters here: -oem, -odb …
  o: (options, value) => {
    if (value === "i" || /^i(?:true|t|yes)$/i.test(value)) options.dotEnds = false;
  },
  O: (options, value) => {
    if (/^IgnoreDots(?:=t(?:rue)?|=y(?:es)?)?$/i.test(value)) options.dotEnds = false;
  },
  B: nothing,
  h: nothing,
  p: nothing,
  X: nothing,
  L: nothing,
  A: nothing,
  C: nothing,
};

/** Options with a value in the same word only. */
const attached: Readonly<Record<string, Take>> = {
  e: nothing,
  d: nothing,
  q: (options) => {
    options.mode = "flush";
  },
};

/** Options without a value. */
const plain: Readonly<Record<string, Take>> = {
  t: (options) => {
    options.readHeader = true;
  },
  i: (options) => {
    options.dotEnds = false;
  },
  v: nothing,
  G: nothing,
  U: nothing,
  n: nothing,
  m: nothing,
  s: nothing,
};

/** What the words of a command line mean. Ending when they mean nothing. */
export function parseOptions(words: readonly string[]): Options {
  const options: Options = {
    mode: "deliver",
    readHeader: false,
    dotEnds: true,
    sender: undefined,
    name: undefined,
    notify: undefined,
    ret: undefined,
    envid: undefined,
    recipients: [],
    directory: undefined,
  };
  const rest = words.values();
  for (const word of rest) {
    if (word === "--") break;
    if (word === "--dir" || word.startsWith("--dir=")) {
      options.directory = word === "--dir" ? rest.next().value : word.slice("--dir=".length);
    } else if (word.startsWith("-") && word !== "-") cluster(options, word, rest);
    else options.recipients.push(word);
  }
  options.recipients.push(...rest);
  return options;
}

/** The letters of one word: "-ti", "-fann@example.org". */
function cluster(options: Options, word: string, rest: Iterator<string>): void {
  for (let at = 1; at < word.length; at++) {
    const letter = word[at] ?? "";
    const behind = word.slice(at + 1);
    const simple = has(plain, letter);
    if (simple) simple(options, "");
    else return withValue(options, letter, { behind, rest, word });
  }
}

function withValue(
  options: Options,
  letter: string,
  { behind, rest, word }: { readonly behind: string; readonly rest: Iterator<string>; readonly word: string },
): void {
  const same = has(attached, letter);
  if (same) return same(options, behind);
  const take = has(valued, letter);
  if (!take) throw new Ending("usage", `Unknown option "${word}"; see docs/sendmail.md`);
  if (behind !== "") return take(options, behind);
  const next = rest.next();
  if (next.done) throw new Ending("usage", `The option -${letter} needs a value`);
  take(options, next.value);
}

const has = (table: Readonly<Record<string, Take>>, letter: string): Take | undefined =>
  Object.hasOwn(table, letter) ? table[letter] : undefined;
