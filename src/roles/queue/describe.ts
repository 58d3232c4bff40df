// Describe: an entry as the command line is told of it.

import {
  isSelected,
  type MessageState,
  messageState,
  type QueuedMessage,
  type QueuedRecipient,
  type Selection,
  type ShownMessage,
} from "#talk/queuecontrol.ts";
import { type Entry, recipientOf, type Task } from "./entries.ts";

/** Recipients listed of one message, and shown in one answer. */
const LISTED = 100;

export function stateOf(entry: Entry): MessageState {
  return messageState({
    held: entry.held,
    running: entry.tasks.some(({ flying }) => flying),
    tried: entry.recipients.some(({ attempts }) => attempts > 0),
  });
}

function* waitingAddresses(entry: Entry): Iterable<string> {
  for (const { address, state } of entry.recipients) if (state === "waiting") yield address;
}

/** Whether an entry is among those that are meant. */
export function selects(where: Selection, entry: Entry): boolean {
  const { id, arrived } = entry;
  return isSelected(where, {
    id,
    arrived,
    sender: entry.envelope.sender,
    state: stateOf(entry),
    waiting: waitingAddresses(entry),
  });
}

/** A message for a list, with its first recipients. */
export function describe(entry: Entry): QueuedMessage {
  const tasks = tasksByIndex(entry);
  return {
    ...common(entry),
    recipients: entry.recipients.slice(0, LISTED).map((_, index) => described(entry, index, tasks)),
  };
}

/** Everything about a message but for its header; recipients from the one numbered `from` on. */
export function show(entry: Entry, from: number): ShownMessage {
  const tasks = tasksByIndex(entry);
  return {
    ...common(entry),
    envelope: entry.envelope,
    warned: entry.warned,
    count: entry.recipients.length,
    recipients: entry.recipients.slice(from, from + LISTED).map((recipient, offset) => ({
      ...recipientOf(recipient),
      ...described(entry, from + offset, tasks),
    })),
  };
}

function common(entry: Entry) {
  const { id, size, arrived } = entry;
  return { id, sender: entry.envelope.sender, state: stateOf(entry), size, arrived };
}

function tasksByIndex(entry: Entry): ReadonlyMap<number, Task> {
  return new Map(entry.tasks.flatMap((task) => task.waiting.map((index) => [index, task] as const)));
}

function described(entry: Entry, index: number, tasks: ReadonlyMap<number, Task>): QueuedRecipient {
  const { address, state, attempts, code, text } = entry.recipients[index] ?? {
    address: "",
    state: "failed",
    attempts: 0,
    code: "",
    text: "",
  };
  const task = tasks.get(index);
  return {
    address,
    state: task?.flying ? "delivering" : state,
    attempts,
    next: entry.held ? 0 : (task?.due ?? 0),
    status: code,
    reason: text,
  };
}
