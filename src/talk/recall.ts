// recall: smtpd asks the ledger what is remembered of those who send, and tells it how sessions went. A ledger that is away or slow is
// no trouble: the asker goes on as if nobody were known.

import { limits } from "#base/limits.ts";
import {
  flag,
  integer,
  list,
  oneOf,
  optional,
  record,
  type Shape,
  type Shaped,
  text,
  union,
  word,
} from "#base/shape.ts";
import type { Verb } from "./caller.ts";

const { listed, evidence, reply: replyText } = limits.ledger;
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

const refusal = record({
  rule: text(64),
  code: integer(400, 599),
  from: path,
  to: path,
});

const ruleRecord = record({
  rule: text(100),
  mode: oneOf("enforce", "observe", "off"),
  verdict: oneOf("accept", "reject", "defer", "slow", "score", "skipped", "failed"),
  evidence: text(evidence),
  ms: integer(0),
});

/** A session of a stranger, when it is over: what the session files keep, from which reputation is made, and which `kenro policy replay`
 * reads (policy/replay/record.ts). */
export const sessionRecord = record({
  id: text(64),
  /** When it ended, ms since 1970, and the same for people. */
  at: integer(),
  time: text(32),
  ip: text(64),
  /** Its verified name; left out when it has none. */
  name: optional(name),
  hello: name,
  /** HELO leads to the client. */
  confirmed: flag,
  /** Of the last transaction, "" for the null sender. */
  sender: path,
  /** The first ones, with what the client was told. */
  recipients: list(record({ address: path, reply: text(replyText) }), listed),
  /** The sender's domain when SPF vouches for the client, else "". */
  domain: name,
  /** accepted: mail came; refused, deferred: a rule said so and none came; none: nothing of the kind. */
  verdict: oneOf("accepted", "refused", "deferred", "none"),
  messages: integer(0),
  /** Recipients that were taken, that do not exist, that are traps. */
  accepted: integer(0),
  unknown: integer(0),
  traps: integer(0),
  /** Recipients and messages that rules refused: how many, and the first ones; `to` is "" for a message. */
  refusals: integer(0),
  refused: list(refusal, listed),
  /** What the rules that ran said about the last transaction. */
  stages: list(record({ stage: text(32), rules: list(ruleRecord, 200) }), 10),
  ms: integer(0),
});
export type SessionRecord = Shaped<typeof sessionRecord>;

/** How a session went. */
export const note: Verb<SessionRecord, Record<string, never>> = {
  kind: 5,
  question: sessionRecord,
  answer: nothing,
};

/** One of our users wrote to these. */
export const wrote: Verb<{ readonly recipients: readonly string[] }, Record<string, never>> = {
  kind: 6,
  question: record({ recipients: list(path, 1000) }),
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
