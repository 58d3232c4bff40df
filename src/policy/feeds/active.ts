// Which feeds are active: below `feeds/` in the directory of rules, each a link to the version that counts. Another version counts from the
// moment on at which its link has taken the place of the old one.

import path from "node:path";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import { type Disk, readWhole } from "#sys/disk.ts";
import { lookOf } from "../look.ts";
import { type NamePatterns, parsePatterns } from "../names.ts";
import { PATTERNS } from "./feed.ts";
import { starterPatterns } from "./starter.ts";

/** Below the directory of rules. */
export const FEEDS = "feeds";

/** What feeds are called; what begins with a dot beside them are their versions. */
export const FEED_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

export interface FeedPlace {
  readonly name: string;
  readonly directory: string;
}

export interface FeedPlaces {
  /** In the order of their names. The same object as long as there are the same. */
  places(): Promise<readonly FeedPlace[]>;
}

/** The feeds that are active below a directory of rules. One look at the disk tells whether they have changed. */
export function activeFeeds(options: {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly directory: string;
}): FeedPlaces {
  const { disk, clock } = options;
  const directory = path.join(options.directory, FEEDS);
  let places: readonly FeedPlace[] = [];
  /** How the directory looked when it was read. */
  let seen: string | undefined = "";
  return {
    places: async () => {
      // who cannot read them has none
      const found = await disk.stat(directory).catch(() => undefined);
      const look = lookOf(found, clock);
      if (look.now === seen) return places;
      const names = found ? await disk.list(directory).catch(() => []) : [];
      const feeds = names.filter((name) => FEED_NAME.test(name)).sort();
      seen = look.remembered;
      if (feeds.join("/") !== places.map(({ name }) => name).join("/"))
        places = feeds
          .slice(0, limits.feeds.feeds)
          .map((name) => ({ name, directory: path.join(directory, name) }));
      return places;
    },
  };
}

/** The patterns of the starter feed and of all feeds together, read again when one of their files changes. */
export function patternsOf(options: {
  readonly disk: Disk;
  readonly feeds: FeedPlaces;
  readonly trouble: (text: string) => void;
}): () => Promise<NamePatterns> {
  const { disk, feeds, trouble } = options;
  let patterns = must(starterPatterns);
  let seen = "";
  const look = async () => {
    const files = (await feeds.places()).map(({ directory }) => path.join(directory, PATTERNS));
    const found = await Promise.all(files.map((file) => disk.stat(file)));
    const state = found.map((each) => (each ? `${each.inode} ${each.changedMs}` : "")).join("/");
    if (state === seen) return;
    seen = state;
    const texts = await Promise.all(files.map((file) => readWhole(disk, file, limits.feeds.file)));
    // each was checked before it became active
    patterns = must([starterPatterns, ...texts.map((text) => text?.toString() ?? "")].join("\n"));
  };
  return async () => {
    await look().catch((thrown: unknown) =>
      trouble(`Cannot use the patterns of feeds: ${messageOf(thrown)}`),
    );
    return patterns;
  };
}

function must(text: string): NamePatterns {
  const read = parsePatterns(text);
  if (!read.ok) throw new Error(read.error.slice(0, 3).join("; "));
  return read.value;
}
