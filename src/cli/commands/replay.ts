// kenro policy replay: recorded sessions before the rules as they are now, or with a feed that is not active yet.

import fs from "node:fs";
import path from "node:path";
import { systemClock } from "#base/clock.ts";
import type { FeedPlace } from "#policy/feeds/active.ts";
import { activeFeeds } from "#policy/feeds/active.ts";
import { isNewlyRefused } from "#policy/replay/replay.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { type Call, complain, print, printJson, type Run } from "../call.ts";
import { Refusal, usage } from "../exit.ts";
import { readState, versionOf } from "../feeds/store.ts";
import { openSite } from "../recorded.ts";
import {
  changeLines,
  count,
  daysOf,
  inPlace,
  losses,
  shownChange,
  sinceThen,
  withFeeds,
} from "../replaying.ts";
import { RULES } from "../rulesdirectory.ts";

/** The feed of a directory that is none of ours. */
const GUEST = "candidate";

export const replayed: Run = async (call) => {
  const days = daysOf(call);
  const guest = candidateOf(call);
  const site = openSite(call.directory);
  const given = guest ?? feedOf(call);
  const before = await activeFeeds({ disk: quickDisk, clock: systemClock, directory: RULES }).places();
  const result = given
    ? await withFeeds(site, { before, after: inPlace(before, given) }, days)
    : await sinceThen(site, days);
  const lost = losses(result);
  const refused = result.changes.filter(isNewlyRefused).length;
  if (call.json)
    printJson({
      sessions: result.sessions,
      bad: result.bad,
      lost: lost.length,
      changes: result.changes.map(shownChange),
    });
  else {
    for (const line of changeLines(result.changes)) print(line);
    print(
      `${count(result.sessions, "session")} of the last ${count(days, "day")}: ${count(result.changes.length, "recipient")} would be told something else, ${refused} of them newly refused, ${lost.length} of these of wanted mail`,
    );
    if (result.bad > 0) complain(`${count(result.bad, "line")} could not be read as records of sessions`);
  }
  return lost.length > 0 ? 1 : 0;
};

/** Relative to where the command was called. */
function candidateOf({ options }: Call): FeedPlace | undefined {
  if (options["candidate"] === undefined) return undefined;
  if (options["feed"] !== undefined) throw usage("Give --feed or --candidate, not both");
  const directory = path.resolve(String(options["candidate"]));
  if (!fs.statSync(directory, { throwIfNoEntry: false })?.isDirectory())
    throw usage(`"${directory}" is not a directory`);
  return { name: GUEST, directory };
}

function feedOf({ options }: Call): FeedPlace | undefined {
  if (options["feed"] === undefined) return undefined;
  const name = String(options["feed"]);
  const waiting = versionOf(name, readState(name).candidate?.version);
  if (!waiting) throw new Refusal(`No version of feed "${name}" waits; see: kenro spamdb list`);
  return { name, directory: waiting.directory };
}
