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
  return [
    on(queueList, ({ after, most }) => ({ messages: page(entries, after, most) })),
    on(queueRetry, ({ id }) => ({
      count: dispatch.hurry((task) => id === "" || task.entry.id === id),
    })),
  ];
}

function page(entries: Entries, after: string, most: number): QueuedMessage[] {
  const messages: QueuedMessage[] = [];
  let size = 0;
  let found = after === "" || !entries.has(after);
  for (const entry of entries.all()) {
    if (!found) {
      found = entry.id === after;
      continue;
    }
    const message = describe(entry);
    size += JSON.stringify(message).length;
    if (messages.length > 0 && size > ANSWER) break;
    messages.push(message);
    if (messages.length >= most) break;
  }
  return messages;
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
