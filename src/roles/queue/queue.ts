// Queue: the parts of this room put together over a disk, a clock and links to the other roles.

import type { Clock } from "#base/clock.ts";
import { pause } from "#base/clock.ts";
import type { SliceOf } from "#config/slice.ts";
import type { Logger } from "#log/logger.ts";
import { openSpool, type Spool, type SpoolEvents } from "#store/spool/spool.ts";
import type { Stored } from "#store/spool/state.ts";
import type { Disk } from "#sys/disk.ts";
import type { Handled } from "#talk/answerer.ts";
import type { Caller } from "#talk/caller.ts";
import { compact } from "./compact.ts";
import { controlVerbs } from "./control.ts";
import { Dispatch } from "./dispatch.ts";
import type { Drop } from "./drop.ts";
import { Entries, type Entry, type Task } from "./entries.ts";
import { Forward } from "./forward.ts";
import { forgetBody, openIntake, type QueueIntake } from "./intake.ts";
import { Orders } from "./orders.ts";
import { Room } from "./room.ts";
import { Routes } from "./routes.ts";
import { Settle } from "./settle.ts";

export interface QueueOptions {
  readonly clock: Clock;
  readonly disk: Disk;
  /** The spool directory. */
  readonly directory: string;
  readonly log: Logger;
  readonly slice: () => SliceOf<"queue">;
  readonly local: Caller;
  readonly remote: Caller;
  readonly auth: Caller;
  readonly random?: () => number;
  readonly segmentSize?: number;
  /** Where users of the machine leave mail, if they do. */
  readonly drop?: Drop;
}

export interface Queue {
  readonly intake: QueueIntake;
  readonly control: readonly Handled[];
  readonly entries: Entries;
  /** Syncs of the journal so far. */
  readonly syncs: number;
  /** Ends what is under way, at most for so long, and closes the spool. */
  stop(ms: number): Promise<void>;
}

/** Opens the spool, goes on where it was, and is ready for mail. Trouble when the spool cannot be read. */
export async function openQueue(options: QueueOptions): Promise<Queue> {
  const { clock, disk, directory, log, slice } = options;
  const begun = clock.monotonic();
  const entries = new Entries();
  const spool = await open(options, entries);
  const { journal, recovered, prefix } = spool;
  const dispatch: Dispatch = new Dispatch({
    ...options,
    routes: new Routes(options.auth, clock),
    limits: () => ({ local: slice().localConcurrency, remote: slice().remoteConcurrency }),
    pass: (task, attempt) => forward.pass(task, attempt),
    settle: (task, attempt) => orders.landed(task, attempt),
    waits: (entry) => settle.warn(entry),
    trouble: (text) => log.event("trouble", { text }),
  });
  const common = { clock, disk, spool: directory, journal, entries, log };
  const own = { id: ownIds(prefix), submit: (task: Task) => dispatch.submit(task) };
  const forward = new Forward({ ...common, ...own });
  const settle: Settle = new Settle({
    ...common,
    slice,
    ...own,
    random: options.random ?? Math.random,
  });
  const orders: Orders = new Orders({ clock, journal, entries, log, dispatch, settle });
  const room = new Room({ disk, clock, at: directory }, () => slice().freeSpace);
  await room.check();
  const submitAll = (entry: Entry) => {
    for (const task of entry.tasks) dispatch.submit(task);
  };
  const intake = openIntake({
    ...common,
    room,
    prefix,
    taken: submitAll,
    percentHack: () => slice().percentHack,
  });
  const found = recovered.messages.size;
  restoreAll(entries, recovered.messages);
  await options.drop?.forget((id) => entries.has(id));
  for (const entry of [...entries.all()]) {
    if (entry.tasks.length === 0) settle.finish(entry);
    else submitAll(entry);
  }
  log.event("queue_recovered", {
    messages: found,
    segments: recovered.segments.length,
    ms: Math.round(clock.monotonic() - begun),
  });
  options.drop?.start(intake);
  return {
    intake,
    control: controlVerbs({ clock, disk, spool: directory, entries, dispatch, orders }),
    entries,
    get syncs() {
      return journal.syncs;
    },
    async stop(ms) {
      intake.stop();
      await options.drop?.stop();
      await dispatch.stop(pause(clock, ms));
      await journal.close();
    },
  };
}

/** Takes over what recovery found, the oldest first; nothing is kept twice, because there may be very much. */
function restoreAll(entries: Entries, messages: Map<string, Stored>): void {
  const oldestLast = [...messages.values()].sort((a, b) => a.head.arrived - b.head.arrived).reverse();
  messages.clear();
  for (let stored = oldestLast.pop(); stored; stored = oldestLast.pop()) entries.restore(stored);
}

/** The spool, with its events in the log and its old segments compacted one at a time. */
async function open(options: QueueOptions, entries: Entries): Promise<Spool> {
  const { clock, disk, directory, log, segmentSize } = options;
  const trouble = (text: string) => log.event("trouble", { text });
  let compacting = false;
  const events: SpoolEvents = {
    damage: (file) => log.event("queue_damage", { file }),
    syncFailed: (segment, reason) => log.event("queue_sync_failed", { segment, text: reason.message }),
    trouble: (reason) => trouble(reason.message),
    forgotten: (id) => forgetBody(disk, directory, id),
    crowded: (segment) => {
      if (compacting) return;
      compacting = true;
      const { journal } = spool;
      void compact(segment, { disk, spool: directory, journal, entries, trouble }).then(() => {
        compacting = false;
      });
    },
  };
  const spool = await openSpool({
    disk,
    directory,
    clock,
    events,
    ...(segmentSize === undefined ? {} : { segmentSize }),
  });
  return spool;
}

/** Ids for mail of our own. */
function ownIds(prefix: () => string): () => string {
  const own = prefix();
  let count = 0;
  return () => `${own}-${(++count).toString(36)}`;
}
