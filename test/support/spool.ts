// A spool for tests: on a disk in memory, with small segments and a log of what happened.

import type { Journal } from "#store/spool/journal.ts";
import { openSpool, type Spool } from "#store/spool/spool.ts";
import type { Head } from "#store/spool/state.ts";
import type { BrokenDisk } from "./brokendisk.ts";
import { FakeClock } from "./clock.ts";

export const SEGMENT = 64 * 1024;

export interface TestSpool extends Spool {
  readonly clock: FakeClock;
  /** Names of events, with what they were about. */
  readonly events: string[];
}

export async function testSpool(disk: BrokenDisk, clock = new FakeClock()): Promise<TestSpool> {
  const events: string[] = [];
  const spool = await openSpool({
    disk,
    directory: "spool",
    clock,
    segmentSize: SEGMENT,
    events: {
      damage: (file) => events.push(`damage ${file}`),
      syncFailed: (segment) => events.push(`syncFailed ${segment}`),
      trouble: (reason) => events.push(`trouble ${reason.code}`),
      forgotten: (id) => events.push(`forgotten ${id}`),
      crowded: (segment) => events.push(`crowded ${segment}`),
    },
  });
  return { ...spool, clock, events };
}

export function head(id: string, more: Partial<Head> = {}): Head {
  return {
    id,
    arrived: 1000,
    envelope: {
      sender: "a@x.test",
      recipients: [{ address: "b@y.test" }],
      body: "7bit",
      submitted: false,
    },
    size: 4,
    file: false,
    ...more,
  };
}

/** Resolves when the end is durable and its record released. */
export function ended(journal: Journal, id: string): Promise<void> {
  return new Promise((resolve) => journal.end(id, "now", resolve));
}
