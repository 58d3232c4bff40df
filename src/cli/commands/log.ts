// kenro log: what all roles have written, in one order and in local time.

import { pause, systemClock } from "#base/clock.ts";
import { parseLine } from "#log/line.ts";
import { parseTai64n } from "#wire/tai64.ts";
import { print, type Run } from "../call.ts";
import { enter } from "../directory.ts";
import { usage } from "../exit.ts";
import { allLines, Follower } from "../logfiles.ts";
import { Related } from "../related.ts";
import { formatTime, harmless } from "../text.ts";

const LOG = "log";
const LOOK_AGAIN = 200;
/** How many lines -f shows of what was there before. */
const BEFORE = 10;

export const log: Run = async ({ directory, options, json }) => {
  enter(directory);
  const follow = options["follow"] === true;
  const id = options["id"] as string | undefined;
  const last =
    lastOf(options["lines"] as string | undefined) ?? (follow && id === undefined ? BEFORE : undefined);
  const put = async (line: string) => printPatiently(json ? jsonLine(line) : localLine(line));
  const related = id === undefined ? undefined : new Related(id);
  // before the first line is read, so that none falls between
  const follower = follow ? new Follower(LOG) : undefined;
  if (related) for await (const line of allLines(LOG, follower)) related.learn(line);
  const wanted = (line: string) => !related || related.has(line);
  for await (const line of selected(allLines(LOG, follower), last, wanted)) await put(line);
  if (follower) await followOn(follower, related, put);
  return 0;
};

function lastOf(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  if (!/^\d{1,7}$/.test(given)) throw usage(`Cannot show "${given}" lines: give a number`);
  return Number(given);
}

/** The wanted lines, or the last of them. */
async function* selected(
  lines: AsyncIterable<string>,
  last: number | undefined,
  wanted: (line: string) => boolean,
): AsyncGenerator<string> {
  const kept: string[] = [];
  for await (const line of lines) {
    if (!wanted(line)) continue;
    if (last === undefined) yield line;
    else kept.push(line);
    if (last !== undefined && kept.length > 2 * last + 1000) kept.splice(0, kept.length - last);
  }
  if (last !== undefined && last > 0) yield* kept.slice(-last);
}

/** Until somebody ends us. */
async function followOn(
  follower: Follower,
  related: Related | undefined,
  put: (line: string) => Promise<void>,
): Promise<never> {
  const kept = setInterval(() => {}, 1 << 30);
  try {
    for (;;) {
      for (const line of follower.read()) {
        related?.learn(line);
        if (!related || related.has(line)) await put(line);
      }
      await pause(systemClock, LOOK_AGAIN);
    }
  } finally {
    clearInterval(kept);
  }
}

/** Waits for a reader that is slower than we are (`kenro log | less`). */
async function printPatiently(line: string): Promise<void> {
  print(line);
  if (process.stdout.writableNeedDrain) await new Promise((resolve) => process.stdout.once("drain", resolve));
}

/** One object on one line. */
export function jsonLine(line: string): string {
  const parsed = parseLine(line);
  if (!parsed) return JSON.stringify({ text: line });
  const { at, role, event, fields } = parsed;
  return JSON.stringify({
    time: new Date(at).toISOString(),
    role,
    event,
    fields: Object.fromEntries(fields),
  });
}

/** The stamp in local time to the ms; a line without one as it is. */
export function localLine(line: string): string {
  const ms = parseTai64n(line);
  const text = harmless(line);
  if (ms === undefined) return text;
  return `${formatTime(ms)}.${String(Math.floor(ms % 1000)).padStart(3, "0")}${text.slice(25)}`;
}
