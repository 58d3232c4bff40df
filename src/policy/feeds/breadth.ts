// Breadth: entries of a feed that would refuse nearly everyone, or all mail of ours. A person may write them into the site's own
// databases; from somebody else they are a mistake or worse.

import type { DatabaseName } from "../databases.ts";
import { isDynamic, type NamePatterns, parsePatterns } from "../names.ts";
import type { Feed } from "./feed.ts";
import { starterPatterns } from "./starter.ts";

/** What is ours: our host's name and our domains, in lower case. */
export type Ours = ReadonlySet<string>;

/** Second labels under which countries give names to everybody: .co.jp, .com.br. */
const SHARED = /^\.(?:ac|ad|co|com|ed|edu|go|gob|gov|gr|lg|ltd|me|mil|ne|net|nom|or|org|plc|sch)\.[a-z]{2}$/;

/** Why these entries and patterns must not be used, one sentence each; `left` are those that the site leaves out. */
export function broadEntries(
  feed: Pick<Feed, "entries" | "patterns">,
  ours: Ours,
  left: ReadonlySet<string>,
): readonly string[] {
  const problems: string[] = [];
  for (const [database, entries] of feed.entries)
    for (const entry of entries) {
      const why = left.has(entry) ? undefined : breadthOf(database, entry, ours);
      if (why !== undefined) problems.push(`"${entry}" in ${database} ${why}`);
    }
  return [...problems, ...broadPatterns(feed.patterns, ours)];
}

function breadthOf(database: DatabaseName, entry: string, ours: Ours): string | undefined {
  if (/^[.@*]+$/.test(entry)) return "would refuse everyone";
  if (entry.startsWith("*")) return 'has a "*": a suffix begins with a dot';
  // what has no name in DNS may be asked for a better one by country (antibadmail's unknown/.jp)
  if (database === "badhelo/unknown") return undefined;
  const own = [...ours].find((name) => covers(entry, name));
  if (database === "badrcptto") return own === undefined ? undefined : `would refuse all mail for ${own}`;
  if (own !== undefined) return `would refuse our own ${own}`;
  if (/^\.[^.]+$/.test(entry) && !SINGLE.has(entry)) return "would refuse a whole top-level domain";
  return SHARED.test(entry) ? "would refuse a whole country's names" : undefined;
}

const covers = (entry: string, name: string): boolean =>
  entry === name ||
  entry === `@${name}` ||
  entry === `.${name}` ||
  (entry.startsWith(".") && name.endsWith(entry));

/** Suffixes of one label under which no real server is (RFC 2606, RFC 6761, RFC 6762, RFC 8375). */
const SINGLE = new Set([
  ".arpa",
  ".corp",
  ".example",
  ".home",
  ".internal",
  ".intra",
  ".intranet",
  ".invalid",
  ".lan",
  ".local",
  ".localdomain",
  ".localhost",
  ".private",
  ".test",
  ".workgroup",
]);

/** Names that ordinary servers have, and an address of theirs. */
const SERVERS = [
  "mail.example.com",
  "mx1.example.co.jp",
  "mx-2.example.net",
  "smtp3.example.org",
  "mta10.mail.example.com",
  "out-7.smtp.example.de",
  "server1.example.fr",
  "a1-23.smtp-out.example.net",
];

function broadPatterns(text: string, ours: Ours): readonly string[] {
  const read = parsePatterns(`${starterPatterns}\n${text}`);
  // what cannot be read was told before
  if (!read.ok) return [];
  const patterns: NamePatterns = read.value;
  const hit = [...SERVERS, ...ours].find((name) => isDynamic(name, "192.0.2.1", patterns) !== undefined);
  const wide = [...patterns.suffixes].filter((suffix) => /^\.[^.]+$/.test(suffix) || SHARED.test(suffix));
  return [
    ...wide.map((suffix) => `Pattern "suffix ${suffix}" would take a whole country for dynamic`),
    ...(hit === undefined || wide.length > 0 ? [] : [`The patterns would take "${hit}" for dynamic`]),
  ];
}
