// A queue on a disk that breaks, in one process, without sockets: its roles are functions.

import { Logger } from "#log/logger.ts";
import { Drop } from "#roles/queue/drop.ts";
import { openQueue, type Queue } from "#roles/queue/queue.ts";
import type { Strange } from "#sys/strange.ts";
import type { Caller } from "#talk/caller.ts";
import type { Delivered, Delivery } from "#talk/deliver.ts";
import type { BrokenDisk } from "./brokendisk.ts";
import type { FakeClock } from "./clock.ts";

export interface CrashQueueOptions {
  readonly disk: BrokenDisk;
  readonly clock: FakeClock;
  /** What local and remote do. */
  readonly deliver: (delivery: Delivery) => Promise<Delivered>;
  /** Bytes; so few that segments are recycled within a script. */
  readonly segmentSize: number;
  /** It takes mail from a drop directory on this disk too. */
  readonly drops?: boolean;
}

/** What somebody made on a disk in memory: always a file of his. */
async function openOn(disk: BrokenDisk, at: string): Promise<Strange | undefined> {
  const file = await disk.openRead(at);
  return file && { file, uid: 1000, size: await file.size(), mtimeMs: 0 };
}

/** The queue on what the disk has; every domain is ours. */
export function openCrashQueue(options: CrashQueueOptions): Promise<Queue> {
  const { disk, clock, deliver, segmentSize, drops = false } = options;
  const answer = (reply: (question: never) => unknown) =>
    ({ ask: async (_: unknown, question: never) => reply(question) }) as unknown as Caller;
  const delivering = answer(deliver);
  const log = new Logger({ role: "queue", clock, level: "info", sink: () => {} });
  const slice = () =>
    ({
      log: "info",
      reporter: "",
      hostname: "mx.test",
      lifetime: 604_800_000,
      localConcurrency: 3,
      remoteConcurrency: 3,
      destinationConcurrency: 10,
      destinationStart: 10,
      freeSpace: 0,
      dropDomain: "here.test",
      dropDefaultDomain: "here.test",
      dropPlusDomain: "test",
      dropSize: 1_000_000,
      percentHack: [],
    }) as const;
  const drop = new Drop({ clock, disk, log, slice, openStrange: (at) => openOn(disk, at) });
  return openQueue({
    clock,
    disk,
    directory: "spool",
    log,
    slice,
    ...(drops ? { drop } : {}),
    local: delivering,
    remote: delivering,
    auth: answer(() => ({ local: true })),
    random: () => 0,
    segmentSize,
  });
}

/** Whether a segment had more than one life: generations are counted, and there are more of them than files. */
export async function recycled(disk: BrokenDisk): Promise<boolean> {
  const names = await disk.list("spool/journal");
  let last = 0;
  for (const name of names) {
    const file = await disk.openRead(`spool/journal/${name}`);
    const header = Buffer.alloc(20);
    await file?.read(header, 0, header.length, 0);
    last = Math.max(last, Number(header.readBigUInt64BE(12)));
  }
  return last > names.length;
}
