// recall: smtpd asks the ledger what is remembered of those who send, and tells it how sessions went. A ledger that is away or slow is
// no trouble: the asker goes on as if nobody were known.

import { limits } from "#base/limits.ts";
import {
  flag,
  integer,
  list,
  optional,
  record,
  type Shape,
  type Shaped,
  text,
  union,
  word,
} from "#base/shape.ts";
import { type Fate, fateShape } from "#policy/replay/fate.ts";
import { type SessionRecord, sessionRecordShape } from "#policy/replay/record.ts";
import type { Verb } from "./caller.ts";

const path = text(512);
const name = text(255);
const nothing = record({}) as Shape<Record<string, never>>;

const remembered = record({
  ban: optional(record({ until: integer(), why: text(500) })),
  known: flag,
  /** -10 to 10. */
  reputation: integer(-10, 10),
  guesses: integer(0),
});

/** Who is this client? */
export const meet: Verb<{ readonly address: string }, Shaped<typeof remembered>> = {
  kind: 1,
  question: record({ address: text(64) }),
  answer: remembered,
};

/** Do our users write to this address? */
export const correspondent: Verb<{ readonly address: string }, { readonly known: boolean }> = {
  kind: 2,
  question: record({ address: path }),
  answer: record({ known: flag }),
};

const pass = record({ kind: word("pass") });
const wait = record({ kind: word("wait"), until: integer() });

/** May these three meet now? Asking is what is remembered. */
export const greylist: Verb<
  { readonly who: string; readonly sender: string; readonly recipient: string },
  Shaped<typeof pass> | Shaped<typeof wait>
> = {
  kind: 3,
  question: record({ who: name, sender: path, recipient: path }),
  answer: union<Shaped<typeof pass> | Shaped<typeof wait>>({ pass, wait }),
};

/** What is thought of a HELO (and whether it led to the client) and of a sender domain that vouches for the client ("" for none)? */
export const regard: Verb<
  { readonly hello: string; readonly confirmed: boolean; readonly domain: string },
  { readonly hello: number; readonly domain: number }
> = {
  kind: 4,
  question: record({ hello: name, confirmed: flag, domain: name }),
  answer: record({ hello: integer(-10, 10), domain: integer(-10, 10) }),
};

/** How a session went. */
export const note: Verb<SessionRecord, Record<string, never>> = {
  kind: 5,
  question: sessionRecordShape,
  answer: nothing,
};

/** One of our users wrote to these. */
export const wrote: Verb<{ readonly recipients: readonly string[] }, Record<string, never>> = {
  kind: 6,
  question: record({ recipients: list(path, 1000) }),
  answer: nothing,
};

/** local and reader: what became of messages. */
export const became: Verb<{ readonly fates: readonly Fate[] }, Record<string, never>> = {
  kind: 7,
  question: record({ fates: list(fateShape, limits.ledger.fates) }),
  answer: nothing,
};

// ---- the command line ----

const ban = record({
  /** An address, or a network "192.0.2.0/24". */
  client: text(64),
  /** ms since 1970. */
  until: integer(),
  since: integer(),
  why: text(500),
  /** Who banned it: a user of this machine, or "ledger". */
  author: text(64),
});
export type Ban = Shaped<typeof ban>;

/** Bans a client, or changes its ban; answered when that is on disk. */
export const banAdd: Verb<Ban, { readonly problem: string }> = {
  kind: 20,
  question: ban,
  answer: record({ problem: text(500) }),
};

export const banDelete: Verb<{ readonly client: string }, { readonly found: boolean }> = {
  kind: 21,
  question: record({ client: text(64) }),
  answer: record({ found: flag }),
};

/** A page of bans by client, from behind `after` ("" for the first page). */
export const banList: Verb<
  { readonly after: string; readonly most: number },
  { readonly bans: readonly Ban[] }
> = {
  kind: 22,
  question: record({ after: text(64), most: integer(1, 1000) }),
  answer: record({ bans: list(ban) }),
};
