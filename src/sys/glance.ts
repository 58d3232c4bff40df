// Glance: a disk whose files are looked at once for all who ask in the same turn of the event loop: each session asks about a dozen, some of them
// several times.

import type { Disk, DiskStat } from "./disk.ts";

/**
 * As `disk`, but what `stat` says is shared until the turn is over. No longer: who writes a rule and then connects must meet it, and his
 * connection comes with a later turn.
 */
export function glancing(disk: Disk): Disk {
  const known = new Map<string, Promise<DiskStat | undefined>>();
  return {
    ...disk,
    stat: (path) => {
      const before = known.get(path);
      if (before !== undefined) return before;
      if (known.size === 0) setImmediate(() => known.clear());
      const found = disk.stat(path);
      known.set(path, found);
      return found;
    },
  };
}
