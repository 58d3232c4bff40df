// lspawn: auth asks whether a local part of a system user exists, local has messages delivered to such users (docs/dotqmail.md).

import { limits } from "#base/limits.ts";
import { flag, integer, list, oneOf, record, type Shaped, text, union, word } from "#base/shape.ts";
import { placeShape } from "#store/spool/place.ts";
import { messageFields, type Outcome, outcomeShape } from "#wire/envelope.ts";
import type { Verb } from "./caller.ts";

const exists = record({ kind: word("deliverable") });
const unknown = record({ kind: word("unknown") });

export type Existence = Shaped<typeof exists> | Shaped<typeof unknown>;

/** auth: would mail for this local part find somebody? Sorry: nobody knows now. */
export const systemUser: Verb<{ readonly local: string }, Existence> = {
  kind: 10,
  question: record({ local: text(512) }),
  answer: union<Existence>({ deliverable: exists, unknown }),
};

const { sender, body } = messageFields;

const systemDelivery = record({
  id: text(64),
  /** ms since 1970; says which delivery it is, together with id and index. */
  arrived: integer(0),
  index: integer(0),
  sender,
  body,
  again: flag,
  place: placeShape,
  /** The address after rewriting: whose user it is, says the local part alone. */
  local: text(512),
  host: text(255),
});

export type SystemDelivery = Shaped<typeof systemDelivery>;

/** local: one message for one system user. */
export const deliverToUser: Verb<SystemDelivery, Outcome> = {
  kind: 11,
  question: systemDelivery,
  answer: outcomeShape,
};

const programRun = record({
  account: text(512),
  id: text(64),
  index: integer(0),
  /** Of the line (docs/dotqmail.md). */
  key: text(64),
  again: flag,
  body,
  place: placeShape,
  command: text(limits.directory.instructions),
  /** Variables for it, as names and values. */
  variables: list(list(text(4096), 2), 32),
});

export type ProgramRun = Shaped<typeof programRun>;

const ran = record({
  end: oneOf("done", "stop", "failed", "deferred"),
  report: text(4 * limits.dotqmail.output),
});

/** local: a program of an account, in a place of its own. */
export const runProgram: Verb<ProgramRun, Shaped<typeof ran>> = {
  kind: 12,
  question: programRun,
  answer: ran,
};
