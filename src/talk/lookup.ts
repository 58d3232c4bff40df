// lookup: what auth knows about addresses: for smtpd at RCPT, for the queue when it routes, for local when it delivers.

import { limits } from "#base/limits.ts";
import { flag, integer, list, oneOf, optional, record, type Shaped, text, union, word } from "#base/shape.ts";
import { statusShape } from "#wire/envelope.ts";
import type { Verb } from "./caller.ts";

const address = record({ address: text(512) });

const deliverable = record({
  kind: word("deliverable"),
  /** Bytes that fit into the mailbox now, as far as that is known; 0: it is full. */
  room: optional(integer(0)),
  /** Bytes that it may have altogether. */
  most: optional(integer(0)),
});
const noSuchUser = record({ kind: word("unknown") });
/** The domain is not one of ours: only for those who may relay. */
const elsewhere = record({ kind: word("elsewhere") });
/** Never, or not now; the status says why (RFC 3463), and its class which of both. */
const denied = record({ kind: word("denied"), why: statusShape });

export type RecipientAnswer =
  | Shaped<typeof deliverable>
  | Shaped<typeof noSuchUser>
  | Shaped<typeof elsewhere>
  | Shaped<typeof denied>;

/** smtpd: may mail for this address come in? */
export const recipient: Verb<Shaped<typeof address>, RecipientAnswer> = {
  kind: 10,
  question: address,
  answer: union<RecipientAnswer>({ deliverable, unknown: noSuchUser, elsewhere, denied }),
};

const addresses = list(text(512), limits.forward.recipients);

/** 0: as many as there is room for. */
const quotaFields = { bytes: integer(0), messages: integer(0) };
const quota = record(quotaFields);

export type MailboxQuota = Shaped<typeof quota>;

const mailboxFields = {
  account: text(512),
  /** Relative to the data directory: `mail/<domain>/<local part>/Maildir`. */
  maildir: text(1024),
  /** A folder of the mailbox for this mail, if it is there; without the leading dot, in lower case. */
  folder: optional(text(64)),
  quota: optional(quota),
  /** What all mailboxes below a directory may have together. */
  shared: optional(record({ directory: text(512), ...quotaFields })),
};

const mailbox = record({
  kind: word("mailbox"),
  ...mailboxFields,
  /** A copy goes on to these. */
  copies: optional(addresses),
});

const forward = record({
  kind: word("forward"),
  /** The message goes on to these. */
  to: addresses,
  /** Who hears from then on what fails: those are the members of a list. Missing: the sender stays. */
  owner: optional(text(512)),
});

/** The user's own text decides, in the language of .qmail files. */
const instructions = record({
  kind: word("instructions"),
  ...mailboxFields,
  text: text(limits.directory.instructions),
  /** What follows `.qmail-` in the name of the file that the text would be in; "": it would be `.qmail`. */
  name: text(128),
  /** The extension of the address; "" when it has none. */
  ext: text(64),
  /** What "default" in the name stands for. */
  rest: optional(text(64)),
  /** There is a text for `…-owner` (owner), and one for `…-owner-default` (verp): whose name mail has that goes on. */
  owner: oneOf("none", "owner", "verp"),
});

export type Instructed = Shaped<typeof instructions>;

const system = record({
  kind: word("system"),
  /** What lspawn knows it by: the local part after rewriting, and the domain. */
  local: text(512),
  host: text(255),
});

export type Destination =
  | Shaped<typeof mailbox>
  | Shaped<typeof forward>
  | Instructed
  | Shaped<typeof system>
  | Shaped<typeof noSuchUser>
  | Shaped<typeof denied>;

/** local: where does mail for this address go? */
export const whereTo: Verb<Shaped<typeof address>, Destination> = {
  kind: 11,
  question: address,
  answer: union<Destination>({ mailbox, forward, instructions, system, unknown: noSuchUser, denied }),
};

/** queue: is this domain delivered here? */
export const isLocal: Verb<{ readonly domain: string }, { readonly local: boolean }> = {
  kind: 12,
  question: record({ domain: text(255) }),
  answer: record({ local: flag }),
};

const use = record({
  /** A Maildir, or the directory of those that share a quota. */
  at: text(1024),
  /** What lies there. */
  bytes: integer(0),
  messages: integer(0),
});

export type Use = Shaped<typeof use>;

/** local: so much lies where there is a quota. */
export const usage: Verb<Use, object> = {
  kind: 13,
  question: use,
  answer: record({}),
};
