// Reputation: what sessions say about the subjects that took part in them, and how that fades. Pure: subjects in, subjects out.

import { limits } from "#base/limits.ts";
import type { SessionRecord } from "#policy/replay/record.ts";
import type { Subject, SubjectKind } from "./tables.ts";

const { ledger } = limits;

/** Scores and guesses are kept in millionths, so that what fades between two sessions of a busy client is not rounded away. */
const POINT = 1_000_000;
const MOST = 10 * POINT;

/** From here on an address is known. */
const KNOWN = 4;

/** What a refused session takes, and a trap. */
const BAD: Readonly<Record<SubjectKind, number>> = { address: 1, network: 0.25, hello: 0.5, domain: 1 };
const TRAP: Readonly<Record<SubjectKind, number>> = { address: 5, network: 2, hello: 2, domain: 5 };

/** What a message in Junk takes: what it has brought, and as much again. */
const JUNK: Readonly<Record<SubjectKind, number>> = { address: 2, network: 0, hello: 2, domain: 2 };

/** Refusals that repeat what the ledger or the administrator said: they are no new evidence against the client. */
const REPEATS: ReadonlySet<string> = new Set([
  "access",
  "ban",
  "guesses",
  "recipient-listed",
  "recipient-trap",
  "sender-listed",
  "sender-only",
]);

export const nobody: Subject = {
  score: 0,
  scoreAt: 0,
  goodAt: 0,
  guesses: 0,
  guessesAt: 0,
  traps: 0,
  trappedAt: 0,
  bans: 0,
  bannedAt: 0,
};

const faded = (value: number, passed: number, half: number): number =>
  value === 0 || passed <= 0 ? value : Math.round(value * 2 ** (-passed / half));

/** The score now, in millionths. */
export const scoreOf = (subject: Subject, now: number): number =>
  faded(subject.score, now - subject.scoreAt, ledger.reputationHalf);

/** The reputation now, -10 to 10. */
export const reputationOf = (subject: Subject, now: number): number =>
  // never -0
  Math.round(scoreOf(subject, now) / POINT) + 0;

/** Unknown recipients lately. */
export const guessesOf = (subject: Subject, now: number): number =>
  Math.round(faded(subject.guesses, now - subject.guessesAt, ledger.guessHalf) / POINT);

export const isKnown = (subject: Subject, now: number): boolean => reputationOf(subject, now) >= KNOWN;

/** Traps it wrote to lately. */
export const trapsOf = (subject: Subject, now: number): number =>
  now - subject.trappedAt > ledger.trapLife ? 0 : subject.traps;

/** Whether a session says something bad that was not known before. */
export const isBad = ({ refused }: Pick<SessionRecord, "refused">): boolean =>
  refused.some(({ rule, code }) => code >= 500 && !REPEATS.has(rule));

/** Recipients that it tried in vain, though it had been sent away for that, count with those that do not exist. */
const guessesIn = ({ unknown, refused }: SessionRecord): number =>
  unknown + refused.filter(({ rule }) => rule === "guesses").length;

/** A subject after a session it took part in. */
export function after(subject: Subject, session: SessionRecord, kind: SubjectKind, now: number): Subject {
  const { messages, unknown, accepted, traps } = session;
  const bad = isBad(session);
  // one session full of mail says no more than one letter
  const good =
    messages > 0 && !bad && traps === 0 && unknown <= accepted && now - subject.goodAt >= ledger.goodEvery;
  const change = POINT * ((good ? 1 : 0) - (bad ? BAD[kind] : 0) - traps * TRAP[kind]);
  const score = Math.max(-MOST, Math.min(MOST, scoreOf(subject, now) + change));
  const guesses = faded(subject.guesses, now - subject.guessesAt, ledger.guessHalf);
  return {
    ...subject,
    score,
    scoreAt: now,
    goodAt: good ? now : subject.goodAt,
    guesses: Math.max(0, guesses + (guessesIn(session) - accepted) * POINT),
    guessesAt: now,
    traps: traps > 0 ? trapsOf(subject, now) + traps : subject.traps,
    trappedAt: traps > 0 ? now : subject.trappedAt,
  };
}

/** Whether one more message in Junk counts: however many there are, once in the time in which good mail counts once. */
export const junkCounts = ({ junkedAt = 0 }: Subject, now: number): boolean =>
  now - junkedAt >= ledger.goodEvery;

/** A subject whose message a person has moved into Junk, or (`back`) out of it again. */
export function afterJunk(
  subject: Subject,
  kind: SubjectKind,
  { back, now }: { readonly back: boolean; readonly now: number },
): Subject {
  const change = (back ? 1 : -1) * JUNK[kind] * POINT;
  const score = Math.max(-MOST, Math.min(MOST, scoreOf(subject, now) + change));
  return { ...subject, score, scoreAt: now, junkedAt: back ? (subject.junkedAt ?? 0) : now };
}

/** How long a subject is banned this time, ms: twice as long each time, until nothing was heard of it for as long as traps count. */
export function banTime(subject: Subject, first: number, now: number): number {
  const times = now - subject.bannedAt > ledger.trapLife ? 0 : subject.bans;
  return Math.min(ledger.banMost, first * 2 ** Math.min(times, 10));
}

/** A subject that was banned. */
export const afterBan = (subject: Subject, now: number): Subject => ({
  ...subject,
  bans: (now - subject.bannedAt > ledger.trapLife ? 0 : subject.bans) + 1,
  bannedAt: now,
  // it begins anew when the ban is over
  guesses: 0,
  guessesAt: now,
});
