// Control: what the command line asks of the queue.

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { readStart } from "#store/spool/source.ts";
import { bornAt } from "#store/spool/state.ts";
import type { Disk } from "#sys/disk.ts";
import { type Handled, on } from "#talk/answerer.ts";
import {
  type Count,
  type QueuedMessage,
  queueCount,
  queueList,
  queueOrder,
  queueRetry,
  queueShow,
  queueStats,
  type Selection,
  type ShownMessage,
} from "#talk/queuecontrol.ts";
import { headerSection } from "#wire/message/dsn.ts";
import { describe, selects, show } from "./describe.ts";
import type { Dispatch } from "./dispatch.ts";
import type { Entries, Entry } from "./entries.ts";
import type { Orders } from "./orders.ts";
import { count } from "./stats.ts";

/** Bytes of one answer, roughly: it must fit into a frame. */
const ANSWER = 512 * 1024;

export interface ControlOptions {
  readonly clock: Clock;
  readonly disk: Disk;
  /** The spool directory. */
  readonly spool: string;
  readonly entries: Entries;
  readonly dispatch: Dispatch;
  readonly orders: Orders;
}

export function controlVerbs(options: ControlOptions): readonly Handled[] {
  const { clock, entries, dispatch, orders } = options;
  const pages = new Pages(entries);
  return [
    on(queueList, ({ after, most, where = {} }) => ({ messages: pages.page(after, most, where) })),
    on(queueRetry, ({ id, where = id === "" ? {} : { ids: [id] } }) => {
      const now = clock.now();
      // whose sender has set a later time (RFC 4865) goes before it only when it is named
      const named = where.ids !== undefined;
      const chosen = selected(entries, where).filter((entry) => named || bornAt(entry) <= now);
      const among = new Set(chosen);
      return { count: dispatch.hurry(({ entry }) => among.has(entry)) };
    }),
    on(queueShow, async ({ id, from, header }) => {
      const entry = entries.find(id);
      return entry ? { message: await shown(entry, { from, header }, options) } : {};
    }),
    on(queueCount, ({ where }) => counted(selected(entries, where))),
    on(queueOrder, ({ order, where }) => orders.run(order, selected(entries, where))),
    on(queueStats, () => count(entries.all(), clock.now())),
  ];
}

function selected(entries: Entries, where: Selection): readonly Entry[] {
  const some = where.ids?.flatMap((id) => entries.find(id) ?? []);
  const among: Iterable<Entry> = some ? new Set(some) : entries.all();
  return [...among].filter((entry) => entry.tasks.length > 0 && selects(where, entry));
}

function counted(chosen: readonly Entry[]): Count {
  return {
    messages: chosen.length,
    recipients: chosen.reduce(
      (sum, { tasks }) => sum + tasks.reduce((each, { waiting }) => each + waiting.length, 0),
      0,
    ),
    running: chosen.filter(({ tasks }) => tasks.some(({ flying }) => flying)).length,
  };
}

async function shown(
  entry: Entry,
  { from, header }: { readonly from: number; readonly header: boolean },
  { disk, spool }: ControlOptions,
): Promise<ShownMessage> {
  const message = show(entry, from);
  if (!header) return message;
  // a reader: no copy is made of it meanwhile, and its place stays
  entry.readers++;
  try {
    const start = await readStart(disk, spool, entry.kept.place, limits.smtp.headerBytes);
    return { ...message, header: headerSection(start, limits.smtp.headerBytes).toString("latin1") };
  } finally {
    entry.readers--;
  }
}

/** Listings that are under way at the same time. */
const LISTINGS = 8;

/** Pages of the queue. Where a page ended is remembered, so that the next goes on there even when its last message has left the queue. */
class Pages {
  readonly #entries: Entries;
  /** What follows, by the last id of the page before; the oldest listing first. */
  readonly #rest = new Map<string, Iterator<Entry>>();

  constructor(entries: Entries) {
    this.#entries = entries;
  }

  page(after: string, most: number, where: Selection): QueuedMessage[] {
    const messages: QueuedMessage[] = [];
    const rest = this.#from(after);
    let size = 0;
    for (let next = rest.next(); !next.done; next = rest.next()) {
      if (!selects(where, next.value)) continue;
      const message = describe(next.value);
      messages.push(message);
      size += JSON.stringify(message).length;
      if (messages.length < most && size < ANSWER) continue;
      this.#remember(message.id, rest);
      break;
    }
    return messages;
  }

  #remember(last: string, rest: Iterator<Entry>): void {
    this.#rest.set(last, rest);
    const [oldest = ""] = this.#rest.keys();
    if (this.#rest.size > LISTINGS) this.#rest.delete(oldest);
  }

  /** Everything behind `after`; nothing when nobody knows any more where that was. */
  #from(after: string): Iterator<Entry> {
    const known = this.#rest.get(after);
    this.#rest.delete(after);
    if (known) return known;
    const all = this.#entries.all()[Symbol.iterator]();
    if (after === "") return all;
    for (let next = all.next(); !next.done && next.value.id !== after; next = all.next());
    return all;
  }
}
