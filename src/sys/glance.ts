// Glance: a disk whose files are looked at once for all who ask within a moment; each session asks for a dozen, and a thousand sessions may come
// in a second.

import type { Clock } from "#base/clock.ts";
import type { Disk, DiskStat } from "./disk.ts";

/** Answers kept at most: strangers choose some of the names. */
const ENTRIES = 1000;

/** As `disk`, but what `stat` says may be `ms` old. Whoever compares looks with each other still sees every change, that much later. */
export function glancing(disk: Disk, clock: Clock, ms: number): Disk {
  const known = new Map<string, Promise<DiskStat | undefined>>();
  let until = 0;
  return {
    ...disk,
    stat: (path) => {
      const now = clock.monotonic();
      if (now >= until || known.size >= ENTRIES) {
        known.clear();
        until = now + ms;
      }
      const before = known.get(path);
      if (before !== undefined) return before;
      const found = disk.stat(path);
      known.set(path, found);
      return found;
    },
  };
}
