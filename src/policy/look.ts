// Look: how a file or directory that people may change at any time looks, so that one stat() tells whether it must be read again.

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { DiskStat } from "#sys/disk.ts";

export interface Look {
  /** Another text when it may have changed; "" when it is not there. */
  readonly now: string;
  /** What to compare the next look with once it was read as it looks now; undefined, which no look is: a change right behind the last one
   * may leave the time stamps as they are, so it must be read again. */
  readonly remembered: string | undefined;
}

export function lookOf(found: DiskStat | undefined, clock: Clock): Look {
  if (!found) return { now: "", remembered: "" };
  const now = `${found.inode} ${found.size} ${found.mtimeMs} ${found.changedMs}`;
  const settled = Math.abs(clock.now() - found.changedMs) >= limits.rules.settle;
  return { now, remembered: settled ? now : undefined };
}
