// Spool: opens the whole thing: directories, recovery, journal.

import path from "node:path";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Disk } from "#sys/disk.ts";
import { Journal, type JournalEvents } from "./journal.ts";
import { type Recovered, recover } from "./recovery.ts";

export interface SpoolOptions {
  readonly disk: Disk;
  /** The spool directory. */
  readonly directory: string;
  readonly clock: Clock;
  readonly events: SpoolEvents;
  /** Smaller in tests. */
  readonly segmentSize?: number;
}

export interface SpoolEvents extends JournalEvents {
  /** A part of the spool cannot be read; it was set aside there. */
  damage(file: string): void;
}

export interface Spool {
  readonly journal: Journal;
  readonly recovered: Recovered;
  /** A prefix for ids that was never given before (Q8). */
  prefix(): string;
  /** An id with this prefix came from elsewhere: those given from now on are greater. */
  saw(prefix: number): void;
}

/** Opens a spool, and makes it when it is new. Trouble when the disk does not let us. */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  const { disk, directory, clock, events } = options;
  for (const name of ["journal", "body"]) await disk.makeDirectory(path.join(directory, name), 0o2750);
  const recovered = await recover({ disk, directory }, events.damage);
  let last = recovered.lastPrefix;
  const segmentSize = options.segmentSize ?? limits.queue.segment;
  const journal = new Journal({ disk, directory, clock, segmentSize, floor: () => last, events }, recovered);
  return {
    journal,
    recovered,
    prefix: () => {
      last = Math.max(last + 1, clock.now());
      return last.toString(36);
    },
    saw: (prefix) => {
      last = Math.max(last, prefix);
    },
  };
}
