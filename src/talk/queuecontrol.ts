// queuecontrol: what the command line (and later the admin page) asks of the queue: lists, one message, counts, and orders.

import { flag, integer, list, oneOf, optional, record, type Shape, type Shaped, text } from "#base/shape.ts";
import { messageFields, recipientFields, splitAddress } from "#wire/envelope.ts";
import type { Verb } from "./caller.ts";

const recipientStates = [
  "waiting",
  "delivering",
  "delivered",
  "relayed",
  "handed",
  "expanded",
  "failed",
] as const;

const queuedRecipient = record({
  address: text(),
  state: oneOf(...recipientStates),
  attempts: integer(0),
  /** When it is tried next, ms since 1970; 0 when it will not be. */
  next: integer(0),
  /** Enhanced status of the last attempt, "" before the first. */
  status: text(),
  reason: text(),
});

export type QueuedRecipient = Shaped<typeof queuedRecipient>;

/** How a message is: not delivered until it is released; being delivered; tried in vain; not tried yet. */
export const messageStates = ["held", "running", "deferred", "waiting"] as const;

export type MessageState = (typeof messageStates)[number];

const queuedFields = {
  id: text(),
  sender: text(),
  state: oneOf(...messageStates),
  size: integer(0),
  /** ms since 1970. */
  arrived: integer(0),
};

const queuedMessage = record({ ...queuedFields, recipients: list(queuedRecipient) });

/** One message of `kenro queue list`. */
export type QueuedMessage = Shaped<typeof queuedMessage>;

const selection = record({
  /** Missing: whatever its id. */
  ids: optional(list(text(64), 1000)),
  /** An address, or "@domain"; "" is the null sender of bounces. */
  sender: optional(text(512)),
  /** An address, or "@domain": one of those that still wait. */
  recipient: optional(text(512)),
  /** Arrived at this moment or before it, ms since 1970. */
  before: optional(integer(0)),
  state: optional(oneOf(...messageStates)),
});

/** Which messages are meant: those to which everything that is given applies. */
export type Selection = Shaped<typeof selection>;

/** What a selection looks at. */
export interface Selectable {
  readonly id: string;
  readonly sender: string;
  readonly arrived: number;
  readonly state: MessageState;
  /** Addresses that still wait. */
  readonly waiting: Iterable<string>;
}

/** Whether a message is among those that are meant. */
export function isSelected(where: Selection, message: Selectable): boolean {
  if (where.ids && !where.ids.includes(message.id)) return false;
  if (where.before !== undefined && message.arrived > where.before) return false;
  if (where.state !== undefined && message.state !== where.state) return false;
  if (where.sender !== undefined && !isAddressed(where.sender, message.sender)) return false;
  const { recipient } = where;
  if (recipient === undefined) return true;
  for (const address of message.waiting) if (isAddressed(recipient, address)) return true;
  return false;
}

/** "@domain" means every address there; people do not remember the case of a local part. */
function isAddressed(wanted: string, address: string): boolean {
  const lower = wanted.toLowerCase();
  if (lower.startsWith("@")) return splitAddress(address).domain === lower.slice(1);
  return address.toLowerCase() === lower;
}

/** How a message is, from what is known of it. */
export function messageState(message: {
  readonly held: boolean;
  readonly running: boolean;
  readonly tried: boolean;
}): MessageState {
  if (message.held) return "held";
  if (message.running) return "running";
  return message.tried ? "deferred" : "waiting";
}

/** A page of the queue, oldest first, starting behind the message `after` ("" for the first page). */
export const queueList: Verb<
  { readonly after: string; readonly most: number; readonly where?: Selection | undefined },
  { readonly messages: readonly QueuedMessage[] }
> = {
  kind: 10,
  question: record({ after: text(64), most: integer(1, 1000), where: optional(selection) }),
  answer: record({ messages: list(queuedMessage) }),
};

/** Makes every waiting recipient due now (qmail's ALRM): of one message, of those selected, or (`id` is "") of all. */
export const queueRetry: Verb<
  { readonly id: string; readonly where?: Selection | undefined },
  { readonly count: number }
> = {
  kind: 11,
  question: record({ id: text(64), where: optional(selection) }),
  answer: record({ count: integer(0) }),
};

const shownMessage = record({
  ...queuedFields,
  envelope: record(messageFields),
  /** Its sender was told of the delay. */
  warned: flag,
  /** All of them; `recipients` are those from the one that was asked for, as many as fit. */
  count: integer(0),
  recipients: list(
    record({
      ...recipientFields,
      state: oneOf(...recipientStates),
      attempts: integer(0),
      next: integer(0),
      status: text(),
      reason: text(),
    }),
  ),
  /** The header section of the message as it was taken, bytes as ISO 8859-1; only when it was asked for. */
  header: optional(text()),
});

/** One message of `kenro queue show`. */
export type ShownMessage = Shaped<typeof shownMessage>;

/** Everything about one message, recipients from the one numbered `from` on; nothing when it is not in the queue. */
export const queueShow: Verb<
  { readonly id: string; readonly from: number; readonly header: boolean },
  { readonly message?: ShownMessage | undefined }
> = {
  kind: 12,
  question: record({ id: text(64), from: integer(0), header: flag }),
  answer: record({ message: optional(shownMessage) }),
};

const count = record({
  messages: integer(0),
  /** Recipients of these that still wait. */
  recipients: integer(0),
  /** Messages of these that are being delivered now. */
  running: integer(0),
});

export type Count = Shaped<typeof count>;

/** How many are meant. */
export const queueCount: Verb<{ readonly where: Selection }, Count> = {
  kind: 13,
  question: record({ where: selection }),
  answer: count,
};

export const orders = ["hold", "release", "bounce", "remove"] as const;

export type Order = (typeof orders)[number];

/**
 * hold: not delivered until released, across restarts; release: as before; bounce: given up now, with a bounce to the sender;
 * remove: given up now, and nobody is told. The answer comes when what was done is durable (docs/queue.md Q13).
 */
export const queueOrder: Verb<{ readonly order: Order; readonly where: Selection }, Count> = {
  kind: 14,
  question: record({ order: oneOf(...orders), where: selection }),
  answer: count,
};

/** Of the same length: how many messages came within so long (ms), and the others. */
export const AGES = [600_000, 3_600_000, 14_400_000, 86_400_000, 259_200_000] as const;

const stats = record({
  messages: integer(0),
  /** Bytes. */
  size: integer(0),
  /** When the oldest one arrived; 0 when there is none. */
  oldest: integer(0),
  states: record({ held: integer(0), running: integer(0), deferred: integer(0), waiting: integer(0) }),
  /** Messages by age: up to AGES[0], up to AGES[1] … and older. */
  ages: list(integer(0), AGES.length + 1),
  /** Recipients that wait, by class of the last failure ("" is: not tried). */
  failures: list(record({ failure: text(32), recipients: integer(0) })),
  /** Recipients that wait, by domain: those with most, most first. */
  domains: list(record({ domain: text(), recipients: integer(0), deferred: integer(0), oldest: integer(0) })),
  /** Domains that are not named. */
  others: integer(0),
});

export type Stats = Shaped<typeof stats>;

/** What is in the queue, counted. */
export const queueStats: Verb<Record<string, never>, Stats> = {
  kind: 15,
  question: record({}) as Shape<Record<string, never>>,
  answer: stats,
};
