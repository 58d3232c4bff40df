// lookup: what auth knows about addresses: for smtpd at RCPT, for the queue when it routes, for local when it delivers.

import { limits } from "#base/limits.ts";
import { flag, list, optional, record, type Shaped, text, union, word } from "#base/shape.ts";
import type { Verb } from "./caller.ts";

const address = record({ address: text(512) });

const deliverable = record({ kind: word("deliverable") });
const noSuchUser = record({ kind: word("unknown") });
/** The domain is not one of ours: only for those who may relay. */
const elsewhere = record({ kind: word("elsewhere") });

export type RecipientAnswer =
  | Shaped<typeof deliverable>
  | Shaped<typeof noSuchUser>
  | Shaped<typeof elsewhere>;

/** smtpd: may mail for this address come in? */
export const recipient: Verb<Shaped<typeof address>, RecipientAnswer> = {
  kind: 10,
  question: address,
  answer: union<RecipientAnswer>({ deliverable, unknown: noSuchUser, elsewhere }),
};

const mailbox = record({
  kind: word("mailbox"),
  account: text(512),
  /** Relative to the data directory: `mail/<domain>/<local part>/Maildir`. */
  maildir: text(1024),
  /** A copy goes on to these. */
  copies: optional(list(text(512), limits.forward.recipients)),
});

const forward = record({
  kind: word("forward"),
  /** The message goes on to these. */
  to: list(text(512), limits.forward.recipients),
  /** Who hears from then on what fails: those are the members of a list. Missing: the sender stays. */
  owner: optional(text(512)),
});

const system = record({
  kind: word("system"),
  /** What lspawn knows it by: the local part after rewriting, and the domain. */
  local: text(512),
  host: text(255),
});

export type Destination =
  | Shaped<typeof mailbox>
  | Shaped<typeof forward>
  | Shaped<typeof system>
  | Shaped<typeof noSuchUser>;

/** local: where does mail for this address go? */
export const whereTo: Verb<Shaped<typeof address>, Destination> = {
  kind: 11,
  question: address,
  answer: union<Destination>({ mailbox, forward, system, unknown: noSuchUser }),
};

/** queue: is this domain delivered here? */
export const isLocal: Verb<{ readonly domain: string }, { readonly local: boolean }> = {
  kind: 12,
  question: record({ domain: text(255) }),
  answer: record({ local: flag }),
};
