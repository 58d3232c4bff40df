// Queue: the parts of this room put together over a disk, a clock and links to the other roles.

import type { Clock } from "#base/clock.ts";
import { pause } from "#base/clock.ts";
import type { SliceOf } from "#config/slice.ts";
import type { Logger } from "#log/logger.ts";
import { Importing } from "#store/spool/importing.ts";
import { NEVER, type Shelf } from "#store/spool/shelf.ts";
import { openSpool, type Spool, type SpoolEvents } from "#store/spool/spool.ts";
import { bornAt } from "#store/spool/state.ts";
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
import { isLast } from "./schedule.ts";
import { Settle } from "./settle.ts";
import { transferVerbs } from "./transfer.ts";

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
  const { spool, entries } = await open(options);
  const { journal, recovered, prefix } = spool;
  const { messages } = recovered;
  const dispatch: Dispatch = new Dispatch({
    ...options,
    entries,
    routes: new Routes(options.auth, clock),
    limits: () => limitsOf(slice()),
    isOld: (entry) => isLast(bornAt(entry), clock.now(), slice().lifetime),
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
  const importing = importingFor(options, spool, entries);
  await importing.settle(recovered.imported);
  const found = messages.size;
  await options.drop?.forget((id) => entries.has(id));
  for (const entry of resume(messages, entries, dispatch)) settle.finish(entry);
  dispatch.begin();
  log.event("queue_recovered", {
    messages: found,
    segments: recovered.segments.length,
    ms: Math.round(clock.monotonic() - begun),
  });
  options.drop?.start(intake);
  return {
    intake,
    control: [
      ...controlVerbs({ clock, disk, spool: directory, entries, dispatch, orders }),
      ...transferVerbs({ clock, entries, shelf: messages, importing, dispatch, settle, room, log }),
    ],
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

const limitsOf = (slice: SliceOf<"queue">) => ({
  local: slice.localConcurrency,
  remote: slice.remoteConcurrency,
  destination: { start: slice.destinationStart, most: slice.destinationConcurrency },
});

const importingFor = ({ disk, directory, clock }: QueueOptions, { journal, saw }: Spool, entries: Entries) =>
  new Importing({ disk, directory, journal, isLive: (id) => entries.has(id), saw, now: () => clock.now() });

/** Has every message that recovery found wait until it is due (R6); those for whom nobody waits any more. */
function resume(messages: Shelf, entries: Entries, dispatch: Dispatch): readonly Entry[] {
  const over: number[] = [];
  for (const slot of messages.slots()) {
    const due = messages.dueOf(slot);
    if (due === NEVER) over.push(slot);
    else if (!messages.isHeld(slot)) dispatch.expect(slot, due);
  }
  return over.flatMap((slot) => entries.wake(slot) ?? []);
}

/** The spool, with its events in the log and its old segments compacted one at a time. */
async function open(options: QueueOptions): Promise<{ readonly spool: Spool; readonly entries: Entries }> {
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
  spool.recovered.messages.sort();
  const entries = new Entries(spool.recovered.messages);
  return { spool, entries };
}

/** Ids for mail of our own. */
function ownIds(prefix: () => string): () => string {
  const own = prefix();
  let count = 0;
  return () => `${own}-${(++count).toString(36)}`;
}
