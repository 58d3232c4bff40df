// control: what the command line (and later the admin page) asks of running roles.

import { integer, list, oneOf, record, type Shape, type Shaped, text } from "#base/shape.ts";
import type { Verb } from "./caller.ts";

const nothing = record({});

const roleStatus = record({
  role: text(32),
  index: integer(0),
  /** 0 when it is not running. */
  pid: integer(0),
  state: oneOf("up", "starting", "down", "waiting"),
  /** When it came into this state, ms since 1970. */
  since: integer(0),
  restarts: integer(0),
  /** The user it runs as: a name of ours with its number, or "self" when everything runs as one user. */
  user: text(64),
});

/** One line of `kenro status`. */
export type RoleStatus = Shaped<typeof roleStatus>;

export const status: Verb<
  Record<string, never>,
  { readonly roles: readonly RoleStatus[]; readonly note: string }
> = {
  kind: 1,
  question: nothing as Shape<Record<string, never>>,
  answer: record({ roles: list(roleStatus), note: text() }),
};

export const stop: Verb<Record<string, never>, Record<string, never>> = {
  kind: 2,
  question: nothing as Shape<Record<string, never>>,
  answer: nothing as Shape<Record<string, never>>,
};

/** Reads the configuration again; problems are sentences, and then nothing changed. */
export const reload: Verb<Record<string, never>, { readonly problems: readonly string[] }> = {
  kind: 3,
  question: nothing as Shape<Record<string, never>>,
  answer: record({ problems: list(text()) }),
};

const queuedRecipient = record({
  address: text(),
  state: oneOf("waiting", "delivering", "delivered", "relayed", "handed", "failed"),
  attempts: integer(0),
  /** When it is tried next, ms since 1970; 0 when it will not be. */
  next: integer(0),
  /** Enhanced status of the last attempt, "" before the first. */
  status: text(),
  reason: text(),
});

const queuedMessage = record({
  id: text(),
  sender: text(),
  recipients: list(queuedRecipient),
  size: integer(0),
  /** ms since 1970. */
  arrived: integer(0),
});

/** One message of `kenro queue list`. */
export type QueuedMessage = Shaped<typeof queuedMessage>;

/** A page of the queue, oldest first, starting behind the message `after` ("" for the first page). */
export const queueList: Verb<
  { readonly after: string; readonly most: number },
  { readonly messages: readonly QueuedMessage[] }
> = {
  kind: 10,
  question: record({ after: text(64), most: integer(1, 1000) }),
  answer: record({ messages: list(queuedMessage) }),
};

/** Makes every waiting recipient due now (qmail's ALRM). */
export const queueRetry: Verb<{ readonly id: string }, { readonly count: number }> = {
  kind: 11,
  question: record({ id: text(64) }),
  answer: record({ count: integer(0) }),
};
