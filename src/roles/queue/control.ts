// Control: what the command line asks of the queue.

import { type Handled, on } from "#talk/answerer.ts";
import { type QueuedMessage, queueList, queueRetry } from "#talk/control.ts";
import type { Dispatch } from "./dispatch.ts";
import type { Entries, Entry } from "./entries.ts";

/** Bytes of one answer, roughly: it must fit into a frame. */
const ANSWER = 512 * 1024;

/** Recipients listed of one message. */
const LISTED = 100;

export function controlVerbs(entries: Entries, dispatch: Dispatch): readonly Handled[] {
  const pages = new Pages(entries);
  return [
    on(queueList, ({ after, most }) => ({ messages: pages.page(after, most) })),
    on(queueRetry, ({ id }) => ({
      count: dispatch.hurry((task) => id === "" || task.entry.id === id),
    })),
  ];
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

  page(after: string, most: number): QueuedMessage[] {
    const messages: QueuedMessage[] = [];
    const rest = this.#from(after);
    let size = 0;
    for (let next = rest.next(); !next.done; next = rest.next()) {
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

function describe(entry: Entry): QueuedMessage {
  const tasks = new Map(entry.tasks.flatMap((task) => task.waiting.map((index) => [index, task] as const)));
  return {
    id: entry.id,
    sender: entry.envelope.sender,
    recipients: entry.recipients.slice(0, LISTED).map((recipient, index) => {
      const { address, state, attempts, code, text } = recipient;
      const task = tasks.get(index);
      return {
        address,
        state: task?.flying ? "delivering" : state,
        attempts,
        next: task?.due ?? 0,
        status: code,
        reason: text,
      };
    }),
    size: entry.size,
    arrived: entry.arrived,
  };
}
