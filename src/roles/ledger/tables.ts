// The ledger's tables, as they are on disk (docs/ledger.md). A field that is added later must be optional: old files go on being read.

import { limits } from "#base/limits.ts";
import { flag, integer, optional, record, type Shaped, text } from "#base/shape.ts";
import { Table } from "#store/ledger/table.ts";

/** All numbers that fade are kept in millionths, as they were at their time. */
const subject = record({
  /** Reputation, from -10 to 10. */
  score: integer(-10_000_000, 10_000_000),
  scoreAt: integer(),
  /** When mail last counted in its favour. */
  goodAt: integer(),
  guesses: integer(0),
  guessesAt: integer(),
  traps: integer(0),
  trappedAt: integer(),
  /** How often it was banned, and until when the last time. */
  bans: integer(0),
  bannedAt: integer(),
  /** When a message of its lay in Junk and that last counted against it. */
  junkedAt: optional(integer()),
});
export type Subject = Shaped<typeof subject>;

const since = record({ at: integer() });
const until = record({ until: integer() });

const banned = record({ until: integer(), since: integer(), why: text(500), author: text(64) });
export type Banned = Shaped<typeof banned>;

export const subjectKinds = ["address", "network", "hello", "domain"] as const;
export type SubjectKind = (typeof subjectKinds)[number];

/** Who has brought a message; as keys of subjects, "" for none. */
const letter = record({
  at: integer(),
  address: text(64),
  hello: text(256),
  domain: text(255),
  /** It lies in Junk, and that has counted. */
  junked: optional(flag),
});
export type Letter = Shaped<typeof letter>;

const { ledger } = limits;

/** All tables, empty. */
export function makeTables(windowOf: () => number) {
  const untilTable = (name: string, most: number) =>
    new Table({ name, most, shape: until, ended: (value, now) => value.until <= now });
  const subjectTable = (name: SubjectKind) =>
    new Table<Subject>({
      name,
      most: ledger.subjects,
      shape: subject,
      ended: ({ scoreAt, guessesAt }, now) => now - Math.max(scoreAt, guessesAt) > ledger.subjectLife,
    });
  return {
    subjects: {
      address: subjectTable("address"),
      network: subjectTable("network"),
      hello: subjectTable("hello"),
      domain: subjectTable("domain"),
    },
    /** When three first met. */
    waiting: new Table({
      name: "waiting",
      most: ledger.waiting,
      shape: since,
      ended: ({ at }, now) => now - at > windowOf(),
    }),
    passed: untilTable("passed", ledger.passed),
    correspondents: untilTable("correspondents", ledger.correspondents),
    /** By the id of the message. */
    letters: new Table<Letter>({
      name: "letters",
      most: ledger.letters,
      shape: letter,
      ended: ({ at }, now) => now - at > ledger.letterLife,
    }),
    bans: new Table<Banned>({
      name: "bans",
      most: ledger.bans,
      shape: banned,
      ended: (value, now) => value.until <= now,
    }),
  };
}

export type Tables = ReturnType<typeof makeTables>;

/** In the order in which they are written. */
export const listOf = ({ subjects, waiting, passed, correspondents, letters, bans }: Tables) => [
  bans,
  correspondents,
  passed,
  waiting,
  letters,
  ...Object.values(subjects),
];
