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
    on(queueList, async ({ after, most, where = {} }) => ({
      messages: await pages.page(after, most, where),
    })),
    on(queueRetry, async ({ id, where = id === "" ? {} : { ids: [id] } }) => {
      const now = clock.now();
      // whose sender has set a later time (RFC 4865) goes before it only when it is named
      const named = where.ids !== undefined;
      const ids: string[] = [];
      for await (const entry of selected(entries, where))
        if (named || bornAt(entry) <= now) ids.push(entry.id);
      let recipients = 0;
      dispatch.forgive();
      for (let at = 0; at < ids.length; at += TOGETHER) {
        recipients += dispatch.hurry(ids.slice(at, at + TOGETHER));
        await othersFirst();
      }
      return { count: recipients };
    }),
    on(queueShow, async ({ id, from, header }) => {
      const entry = header ? entries.wake(id) : entries.find(id);
      return entry ? { message: await shown(entry, { from, header }, options) } : {};
    }),
    on(queueCount, ({ where }) => counted(selected(entries, where))),
    on(queueOrder, async ({ order, where }) => {
      const ids: string[] = [];
      for await (const { id } of selected(entries, where)) ids.push(id);
      return orders.run(order, ids);
    }),
    on(queueStats, () => count(unhurried(entries.all()), clock.now())),
  ];
}

/** Messages looked at in one turn of the event loop. */
const TOGETHER = 500;

const othersFirst = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** All of them; mail that comes and goes meanwhile does not wait for us. */
async function* unhurried(entries: Iterable<Entry>): AsyncGenerator<Entry> {
  let looked = 0;
  for (const entry of entries) {
    if (++looked % TOGETHER === 0) await othersFirst();
    yield entry;
  }
}

function candidates(entries: Entries, where: Selection): Iterable<Entry> {
  if (where.ids) return [...new Set(where.ids)].flatMap((id) => entries.find(id) ?? []);
  const words = [where.sender ?? "", where.recipient ?? ""].filter((word) => word !== "");
  return words.length === 0 ? entries.all() : entries.mentioning(words.map((word) => word.toLowerCase()));
}

async function* selected(entries: Entries, where: Selection): AsyncGenerator<Entry> {
  for await (const entry of unhurried(candidates(entries, where)))
    if (entry.tasks.length > 0 && selects(where, entry)) yield entry;
}

async function counted(chosen: AsyncIterable<Entry>): Promise<Count> {
  let messages = 0;
  let recipients = 0;
  let running = 0;
  for await (const { tasks } of chosen) {
    messages++;
    recipients += tasks.reduce((sum, { waiting }) => sum + waiting.length, 0);
    if (tasks.some(({ flying }) => flying)) running++;
  }
  return { messages, recipients, running };
}

async function shown(
  entry: Entry,
  { from, header }: { readonly from: number; readonly header: boolean },
  { disk, spool, entries }: ControlOptions,
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
    entries.rest(entry);
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

  async page(after: string, most: number, where: Selection): Promise<QueuedMessage[]> {
    const messages: QueuedMessage[] = [];
    const rest = this.#from(after, where);
    let size = 0;
    let looked = 0;
    for (let next = rest.next(); !next.done; next = rest.next()) {
      if (++looked % TOGETHER === 0) await othersFirst();
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
  #from(after: string, where: Selection): Iterator<Entry> {
    const known = this.#rest.get(after);
    this.#rest.delete(after);
    if (known) return known;
    if (after === "") return candidates(this.#entries, where)[Symbol.iterator]();
    const all = this.#entries.all();
    for (let next = all.next(); !next.done && next.value.id !== after; next = all.next());
    return all;
  }
}
