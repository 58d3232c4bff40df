// What a Maildir file name says: `<unique>[,S=size][,W=size]:2,<flags>` (maildir(5), Maildir++).

export interface MaildirName {
  /** Everything before ":2,": stays the same while flags change. */
  readonly base: string;
  /** Letters behind ":2,", sorted. */
  readonly flags: string;
  /** Bytes with CRLF line ends, when the name says so. */
  readonly wireSize: number | undefined;
  /** Seconds since 1970 that the name starts with, or 0. */
  readonly seconds: number;
  /** When it was received, ms since 1970, or 0: ask the file. Dovecot's names only tell when the file was made. */
  readonly received: number;
}

export function parseName(name: string): MaildirName {
  const colon = name.indexOf(":");
  const base = colon < 0 ? name : name.slice(0, colon);
  const info = colon < 0 ? "" : name.slice(colon + 1);
  const wire = /,W=(\d{1,15})(?:,|$)/.exec(base)?.[1];
  const seconds = Number(/^(\d{1,11})\./.exec(base)?.[1] ?? 0);
  return {
    base,
    flags: info.startsWith("2,") ? normalFlags(info.slice(2)) : "",
    wireSize: wire === undefined ? undefined : Number(wire),
    seconds,
    received: /^\d+\.M\d+P\d/.test(base) ? 0 : seconds * 1000,
  };
}

/** Letters sorted and once each, as maildir(5) wants them. */
export function normalFlags(given: string): string {
  return [...new Set(given.replaceAll(/[^A-Za-z]/g, ""))].sort().join("");
}

export const formatName = (base: string, flags: string): string => `${base}:2,${normalFlags(flags)}`;

/** IMAP's system flags and their letters (maildir(5)); "P" (passed) is $Forwarded. */
export const letters: ReadonlyMap<string, string> = new Map([
  ["\\answered", "R"],
  ["\\flagged", "F"],
  ["\\deleted", "T"],
  ["\\seen", "S"],
  ["\\draft", "D"],
  ["$forwarded", "P"],
]);

const names: Readonly<Record<string, string>> = {
  R: "\\Answered",
  F: "\\Flagged",
  T: "\\Deleted",
  S: "\\Seen",
  D: "\\Draft",
  P: "$Forwarded",
};

/** Letters as IMAP flags; letters of other programs are not shown (and not lost). */
export const flagNames = (flags: string): readonly string[] =>
  [...flags].map((letter) => names[letter]).filter((name) => name !== undefined);
