// What a Maildir file name says: `<unique>[,S=size][,W=size]:2,<flags>` (maildir(5), Maildir++).

import { randomBytes } from "node:crypto";

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

/** Which delivery a file came by. */
export interface Origin {
  /** The message's id in the queue, and the index of its recipient. */
  readonly id: string;
  readonly index: number;
}

/** The delivery of which a base name tells (docs/local.md), also that of a copy; undefined: the file came by another way. */
export function originOf(base: string): Origin | undefined {
  const [, id, index] =
    /^\d{1,11}\.(?:A[\w-]{12}\.)?([0-9a-z]{6,12}-[0-9a-z]{1,12})\.(\d{1,6})\./.exec(base) ?? [];
  return id === undefined ? undefined : { id, index: Number(index) };
}

/** A base name for a message that comes by another way than delivery, received at `ms` since 1970; `from`: the base name of what it is a copy of. */
export function newBase(
  ms: number,
  host: string,
  {
    sizes,
    from = "",
  }: { readonly sizes: { readonly file: number; readonly wire: number }; readonly from?: string },
): string {
  const origin = originOf(from);
  const unique = `A${randomBytes(9).toString("base64url")}${origin ? `.${origin.id}.${origin.index}` : ""}`;
  return `${Math.floor(ms / 1000)}.${unique}.${host},S=${sizes.file},W=${sizes.wire}`;
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
