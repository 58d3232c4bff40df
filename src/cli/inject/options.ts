// The command line and the environment of qmail-inject (docs/inject.md).

import { Ending } from "../sendmail/sysexits.ts";

export interface Options {
  /** -a: those of the command line; -h: those of the header; -H: both; -A, as without: those of the command line if there are any. */
  recipients: "named" | "header" | "both" | "either";
  /** -n: print it instead. */
  print: boolean;
  /** -f */
  sender: string | undefined;
  readonly named: string[];
  /** --dir */
  directory: string | undefined;
}

const plain: Readonly<Record<string, (options: Options) => void>> = {
  a: (options) => {
    options.recipients = "named";
  },
  h: (options) => {
    options.recipients = "header";
  },
  H: (options) => {
    options.recipients = "both";
  },
  A: (options) => {
    options.recipients = "either";
  },
  n: (options) => {
    options.print = true;
  },
  N: (options) => {
    options.print = false;
  },
};

/** What the words of a command line mean. Ending when they mean nothing. */
export function parseOptions(words: readonly string[]): Options {
  const options: Options = {
    recipients: "either",
    print: false,
    sender: undefined,
    named: [],
    directory: undefined,
  };
  const rest = [...words];
  for (let word = rest[0]; word?.startsWith("-") && word !== "-"; word = rest[0]) {
    rest.shift();
    if (word === "--") break;
    if (word.startsWith("--dir=")) options.directory = word.slice("--dir=".length);
    else if (word === "--dir") options.directory = optionValue(word, rest);
    else cluster(options, word, rest);
  }
  options.named.push(...rest);
  return options;
}

function cluster(options: Options, word: string, rest: string[]): void {
  for (let at = 1; at < word.length; at++) {
    const letter = word[at] ?? "";
    if (letter === "f") {
      options.sender = word.slice(at + 1) || optionValue("-f", rest);
      return;
    }
    const take = Object.hasOwn(plain, letter) ? plain[letter] : undefined;
    if (!take) throw new Ending("usage", `Unknown option "${word}"; see docs/inject.md`);
    take(options);
  }
}

function optionValue(option: string, rest: string[]): string {
  const value = rest.shift();
  if (value === undefined) throw new Ending("usage", `The option ${option} needs a value`);
  return value;
}

/** What the environment says of a message. */
export interface Surroundings {
  readonly user: string;
  readonly host: string | undefined;
  readonly name: string | undefined;
  readonly senderUser: string;
  readonly senderHost: string | undefined;
  readonly letters: ReadonlySet<string>;
  /** A file of mailing lists. */
  readonly listFile: string | undefined;
  /** In the place of what the server says. */
  readonly defaultHost: string | undefined;
  readonly defaultDomain: string | undefined;
  readonly plusDomain: string | undefined;
  readonly idHost: string | undefined;
}

/** Reads the environment. Control characters become spaces: a name with a line end would begin a field. Text is bytes, one a character. */
export function readEnvironment(environment: Readonly<Record<string, string | undefined>>): Surroundings {
  const first = (...names: readonly string[]): string | undefined => {
    const value = names.map((name) => environment[name]).find((each) => each !== undefined);
    return value === undefined ? undefined : bytesOf(value.replaceAll(/[\x00-\x1f\x7f]+/g, " "));
  };
  const user = first("QMAILUSER", "MAILUSER", "USER", "LOGNAME") ?? "anonymous";
  const host = first("QMAILHOST", "MAILHOST");
  return {
    user,
    host,
    name: first("QMAILNAME", "MAILNAME", "NAME"),
    senderUser: first("QMAILSUSER") ?? user,
    senderHost: first("QMAILSHOST") ?? host,
    letters: new Set(first("QMAILINJECT") ?? ""),
    listFile: environment["QMAILMFTFILE"],
    defaultHost: first("QMAILDEFAULTHOST"),
    defaultDomain: first("QMAILDEFAULTDOMAIN"),
    plusDomain: first("QMAILPLUSDOMAIN"),
    idHost: first("QMAILIDHOST"),
  };
}

/** UTF-8 as the bytes that it is, one a character. */
export const bytesOf = (text: string): string => Buffer.from(text).toString("latin1");
