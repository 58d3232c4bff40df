// kenro policy sessions, stats: what became of the sessions of strangers, from the records that the ledger keeps.

import { Fates, isFateLine } from "#policy/replay/fate.ts";
import { readSession, type SessionRecord } from "#policy/replay/record.ts";
import { dayOf, sessionLines } from "#store/ledger/sessions.ts";
import { realDisk } from "#sys/disk.ts";
import { print, printJson, type Run } from "../call.ts";
import { enter } from "../directory.ts";
import { usage } from "../exit.ts";
import { formatTime, harmless, table } from "../text.ts";

/** Below the data directory. */
const SESSIONS = "ledger/sessions";
const DAY = 86_400_000;
/** How many are shown when nothing says how many. */
const LAST = 20;
const EVERY = 1_000_000;
const DAYS = 7;

const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

function numberOf(given: unknown, standard: number, what: string): number {
  if (given === undefined) return standard;
  if (typeof given !== "string" || !/^[1-9]\d{0,5}$/.test(given))
    throw usage(`Cannot show "${String(given)}" ${what}: give a number from 1 on`);
  return Number(given);
}

/** What can be read of a line; half a line of a crash, and what another version wrote, is passed by. */
function sessionOf(line: string): SessionRecord | undefined {
  if (isFateLine(line)) return undefined;
  const read = readSession(Buffer.from(line));
  return read.ok ? read.value : undefined;
}

// ---- sessions ----

interface Wanted {
  readonly id: string | undefined;
  readonly ip: string | undefined;
}

/** The session on a line when it is wanted. */
function wantedOn(line: string, { id, ip }: Wanted): SessionRecord | undefined {
  // to look for a text is quicker than to read it
  if ((id !== undefined && !line.includes(id)) || (ip !== undefined && !line.includes(ip))) return undefined;
  const session = sessionOf(line);
  if (id !== undefined && session?.id !== id) return undefined;
  return ip === undefined || session?.ip === ip ? session : undefined;
}

/** The last sessions that are wanted, the oldest first. */
async function lastSessions(most: number, wanted: Wanted): Promise<readonly SessionRecord[]> {
  const found: SessionRecord[] = [];
  for await (const { lines } of sessionLines(realDisk, SESSIONS)) {
    for (let at = lines.length - 1; at >= 0 && found.length < most; at--) {
      const session = wantedOn(lines[at] ?? "", wanted);
      if (session) found.push(session);
    }
    if (found.length >= most) break;
  }
  return found.reverse();
}

export const sessions: Run = async ({ directory, options, json }) => {
  const wanted: Wanted = { id: text(options["id"]), ip: text(options["ip"]) };
  const all = wanted.id === undefined && wanted.ip === undefined ? LAST : EVERY;
  const last = numberOf(options["last"], all, "sessions");
  enter(directory);
  const found = await lastSessions(last, wanted);
  if (json) printJson(found);
  else if (found.length === 0) print("No such session is on record");
  else
    for (const session of found) {
      show(session, wanted.id !== undefined);
      if (wanted.id !== undefined) await showMail(session);
    }
  return 0;
};

/** What became of its messages, as far as somebody has told. */
async function showMail(session: SessionRecord): Promise<void> {
  const files: (readonly string[])[] = [];
  for await (const { lines } of sessionLines(realDisk, SESSIONS, dayOf(session.at)))
    files.push(lines.filter(isFateLine));
  const fates = new Fates();
  for (const line of files.reverse().flat()) fates.take(line);
  for (const id of session.mail ?? []) {
    const kept = fates.isKept(id);
    const word = kept === undefined ? "not delivered here yet" : kept ? "in a mailbox" : "in Junk";
    print(harmless(`    message ${id}: ${word}`));
  }
  if (session.correspondent) print("    our users write to this sender");
}

function show(session: SessionRecord, whole: boolean): void {
  const { at, id, ip, name, hello, verdict, messages, refusals, unknown, ms, recipients, sender } = session;
  const counts = [
    [messages, "messages"],
    [refusals, "refusals"],
    [unknown, "unknown recipients"],
  ] as const;
  const said = counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  const from = name === undefined ? ip : `${ip} (${name})`;
  print(
    harmless(
      `${formatTime(at)}  ${id}  ${from}  HELO ${hello === "" ? "-" : hello}  ${verdict}${said.length > 0 ? ` (${said.join(", ")})` : ""}  ${ms} ms`,
    ),
  );
  for (const { code, rule, from: whose, to } of session.refused)
    print(harmless(`    ${code} ${rule}: from <${whose}> to <${to}>`));
  if (!whole) return;
  print(harmless(`    sender: <${sender}>`));
  for (const { address, reply, from: other } of recipients)
    print(harmless(`    <${address}>${other === undefined ? "" : ` from <${other}>`}: ${reply}`));
  const rows = session.stages
    .flatMap(({ rules }) => rules)
    .map(({ rule, mode, verdict: word, evidence, ms: took }) =>
      [`    ${rule}`, mode, word, `${took} ms`, evidence].map(harmless),
    );
  if (rows.length > 0)
    for (const line of table(["    RULE", "MODE", "VERDICT", "TIME", "EVIDENCE"], rows)) print(line);
}

// ---- stats ----

interface Counts {
  /** Recipients refused for good, put off; sessions in which the rule would have refused, had it been enforced. */
  refused: number;
  deferred: number;
  observed: number;
}

interface DayOfSessions {
  sessions: number;
  messages: number;
  unknown: number;
  readonly rules: Map<string, Counts>;
}

export const stats: Run = async ({ directory, options, json }) => {
  const days = numberOf(options["days"], DAYS, "days");
  enter(directory);
  const found = new Map<string, DayOfSessions>();
  const first = dayOf(Date.now() - (days - 1) * DAY);
  for await (const { day, lines } of sessionLines(realDisk, SESSIONS, first)) {
    const of = found.get(day) ?? { sessions: 0, messages: 0, unknown: 0, rules: new Map() };
    found.set(day, of);
    for (const line of lines) {
      const session = sessionOf(line);
      if (session) take(of, session);
    }
  }
  const sorted = [...found].sort(([a], [b]) => (a < b ? -1 : 1));
  if (json) {
    printJson(sorted.map(([day, { rules, ...of }]) => ({ day, ...of, rules: Object.fromEntries(rules) })));
    return 0;
  }
  if (sorted.length === 0) print("No sessions are on record");
  for (const [day, of] of sorted) showDay(day, of);
  return 0;
};

function take(of: DayOfSessions, session: SessionRecord): void {
  of.sessions++;
  of.messages += session.messages;
  of.unknown += session.unknown;
  const countsOf = (rule: string): Counts => {
    const counts = of.rules.get(rule) ?? { refused: 0, deferred: 0, observed: 0 };
    of.rules.set(rule, counts);
    return counts;
  };
  for (const { rule, code } of session.refused) countsOf(rule)[code >= 500 ? "refused" : "deferred"]++;
  for (const { rule, mode, verdict } of session.stages.flatMap(({ rules }) => rules))
    if (mode === "observe" && (verdict === "reject" || verdict === "defer")) countsOf(rule).observed++;
}

function showDay(day: string, { sessions: all, messages, unknown, rules }: DayOfSessions): void {
  print(`${day}: ${all} sessions, ${messages} messages, ${unknown} unknown recipients`);
  const rows = [...rules]
    .sort(([, a], [, b]) => b.refused + b.deferred - a.refused - a.deferred)
    .map(([rule, { refused, deferred, observed }]) => [
      `  ${harmless(rule)}`,
      ...[refused, deferred, observed].map(String),
    ]);
  if (rows.length > 0)
    for (const line of table(["  RULE", "REFUSED", "PUT OFF", "OBSERVED"], rows)) print(line);
}
