// kenro log: what all roles have written, in one order and in local time.

import { pause, systemClock } from "#base/clock.ts";
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

export const log: Run = async ({ directory, options }) => {
  enter(directory);
  const follow = options["follow"] === true;
  const id = options["id"] as string | undefined;
  const last =
    lastOf(options["lines"] as string | undefined) ?? (follow && id === undefined ? BEFORE : undefined);
  const related = id === undefined ? undefined : new Related(id);
  // before the first line is read, so that none falls between
  const follower = follow ? new Follower(LOG) : undefined;
  if (related) for await (const line of allLines(LOG, follower)) related.learn(line);
  await printPast(allLines(LOG, follower), last, (line) => !related || related.has(line));
  if (follower) await followOn(follower, related);
  return 0;
};

function lastOf(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  if (!/^\d{1,7}$/.test(given)) throw usage(`Cannot show "${given}" lines: give a number`);
  return Number(given);
}

async function printPast(
  lines: AsyncIterable<string>,
  last: number | undefined,
  wanted: (line: string) => boolean,
): Promise<void> {
  const kept: string[] = [];
  for await (const line of lines) {
    if (!wanted(line)) continue;
    if (last === undefined) await put(line);
    else {
      kept.push(line);
      if (kept.length > 2 * last + 1000) kept.splice(0, kept.length - last);
    }
  }
  if (last !== undefined && last > 0) for (const line of kept.slice(-last)) await put(line);
}

/** Until somebody ends us. */
async function followOn(follower: Follower, related: Related | undefined): Promise<never> {
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
async function put(line: string): Promise<void> {
  print(localLine(line));
  if (process.stdout.writableNeedDrain) await new Promise((resolve) => process.stdout.once("drain", resolve));
}

/** The stamp in local time to the ms; a line without one as it is. */
export function localLine(line: string): string {
  const ms = parseTai64n(line);
  const text = harmless(line);
  if (ms === undefined) return text;
  return `${formatTime(ms)}.${String(Math.floor(ms % 1000)).padStart(3, "0")}${text.slice(25)}`;
}
