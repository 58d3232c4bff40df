// Replays for commands: all recorded sessions before two sets of rules, and what is otherwise as people read it.

import { parseDuration } from "#config/units.ts";
import type { FeedPlace } from "#policy/feeds/active.ts";
import type { Remembered } from "#policy/replay/fate.ts";
import {
  type Change,
  changes,
  isNewlyRefused,
  type ReplayOptions,
  recorded,
  replay,
  type Said,
} from "#policy/replay/replay.ts";
import type { Call } from "./call.ts";
import { usage } from "./exit.ts";
import { DAY, DAYS, recordedSessions, type Site } from "./recorded.ts";
import { formatTime, harmless, table } from "./text.ts";

export interface Replayed {
  /** Sessions that were looked at. */
  readonly sessions: number;
  readonly changes: readonly Change[];
  /** Lines that are no records. */
  readonly bad: number;
}

/** --days or --since ("7d", "12h"), or as many as usual. */
export function daysOf({ options }: Call): number {
  const given = options["since"] ?? options["days"];
  if (given === undefined) return DAYS;
  const text = String(given);
  const span = parseDuration(/^[\d.]+$/.test(text) ? `${text}d` : text);
  if (!span.ok || span.value <= 0) throw usage(`"${text}" is no number of days, nor a time such as "12h"`);
  return span.value / DAY;
}

/** What the rules as they are now say otherwise than was said then. */
export function sinceThen(site: Site, days: number): Promise<Replayed> {
  const rules = site.rules();
  return over(days, async (session) => changes(session, recorded(session), await replay(session, rules)));
}

export interface Feeds {
  readonly before: readonly FeedPlace[];
  readonly after: readonly FeedPlace[];
}

/** What the rules say otherwise with other feeds. */
export function withFeeds(site: Site, { before, after }: Feeds, days: number): Promise<Replayed> {
  const [now, then] = [site.rules(before), site.rules(after)];
  return over(days, (session) => compared(session, now, then));
}

async function compared(session: Remembered, now: ReplayOptions, then: ReplayOptions) {
  const after = await replay(session, then);
  // nearly all: what came of it then would come of it again, so that nothing is lost
  if (recorded(session).every((each, at) => each?.kind === after[at]?.kind)) return [];
  const before = await replay(session, now);
  // mail that did not come through then is not lost by a feed
  const came = before.map((each, at): Said | undefined =>
    each.kind === "taken" && !session.recipients[at]?.reply.startsWith("2") ? undefined : each,
  );
  return changes(session, came, after);
}

async function over(
  days: number,
  look: (session: Remembered) => Promise<readonly Change[]>,
): Promise<Replayed> {
  const found: Change[] = [];
  const bad = { lines: 0 };
  let sessions = 0;
  for await (const session of recordedSessions(days, bad)) {
    sessions++;
    found.push(...(await look(session)));
  }
  return { sessions, changes: found, bad: bad.lines };
}

/** Wanted mail that would be refused or put off. */
export const losses = ({ changes: all }: Replayed): readonly Change[] =>
  all.filter((change) => isNewlyRefused(change) && change.session.wanted === true);

/** A table of changes, those that hurt first. */
export function changeLines(all: readonly Change[], most = 50): readonly string[] {
  const weight = (change: Change) =>
    Number(isNewlyRefused(change)) * 2 +
    Number(change.session.wanted === true) * (isNewlyRefused(change) ? 2 : 0);
  const sorted = [...all].sort((one, other) => weight(other) - weight(one));
  const rows = sorted
    .slice(0, most)
    .map(({ session, recipient, before, after }) =>
      [
        formatTime(session.at),
        session.ip,
        `<${senderOf(session, recipient)}>`,
        recipient,
        wantedText(session),
        words(before),
        words(after),
        after.evidence,
      ].map(harmless),
    );
  if (rows.length === 0) return [];
  const lines = table(
    ["WHEN", "CLIENT", "SENDER", "RECIPIENT", "WANTED", "WAS", "WOULD BE", "BECAUSE OF"],
    rows,
  );
  const more = all.length - rows.length;
  return more > 0 ? [...lines, `… and ${more} more`] : lines;
}

/** Of the transaction in which a recipient was named first. */
const senderOf = ({ sender, recipients }: Remembered, recipient: string): string =>
  recipients.find(({ address }) => address === recipient)?.from ?? sender;

const wantedText = ({ wanted }: Remembered): string => (wanted === undefined ? "?" : wanted ? "yes" : "no");

const words = ({ kind, rule }: Said): string => (rule === "" ? kind : `${kind} (${rule})`);

/** For programs. */
export const shownChange = ({ session, recipient, before, after }: Change) => ({
  session: session.id,
  at: new Date(session.at).toISOString(),
  ip: session.ip,
  name: session.name ?? null,
  hello: session.hello,
  sender: senderOf(session, recipient),
  recipient,
  wanted: session.wanted ?? null,
  before,
  after,
});

/** "1 session", "2 sessions". */
export const count = (number: number, what: string): string =>
  `${Math.round(number * 100) / 100} ${what}${number === 1 ? "" : "s"}`;

/** "1 entry", "2 entries". */
export const entries = (number: number): string => (number === 1 ? "1 entry" : `${number} entries`);

/** The active feeds with this one in place of its namesake. */
export const inPlace = (active: readonly FeedPlace[], given: FeedPlace): readonly FeedPlace[] =>
  [...without(active, given.name), given].sort((a, b) => (a.name < b.name ? -1 : 1));

export const without = (active: readonly FeedPlace[], name: string): readonly FeedPlace[] =>
  active.filter((each) => each.name !== name);
