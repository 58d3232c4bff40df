// login: smtpd and gate ask auth who somebody is; gate gets a one-time ticket, the reader redeems it.

import { limits } from "#base/limits.ts";
import { integer, list, oneOf, record, type Shape, type Shaped, text, union, word } from "#base/shape.ts";
import type { Verb } from "./caller.ts";

const loginShape = record({
  protocol: oneOf("smtp", "pop3", "imap"),
  user: text(limits.login.userBytes),
  password: text(limits.login.passwordBytes),
  /** The client's address, for limits and the log. */
  address: text(64),
});

export type Login = Shaped<typeof loginShape>;

const welcome = record({
  kind: word("welcome"),
  /** The account's own address. */
  account: text(512),
  /** Addresses it may send from. */
  addresses: list(text(512), 1000),
  /** pop3 and imap: good for one redemption within `limits.login.ticketLife`; smtp: "". */
  ticket: text(64),
  /** pop3 and imap: which reader serves this account, chosen by a hash of the account. */
  reader: integer(0, 1000),
});
const denied = record({ kind: word("denied") });

export type LoginAnswer = Shaped<typeof welcome> | Shaped<typeof denied>;

const answerShape: Shape<LoginAnswer> = union<LoginAnswer>({ welcome, denied });

export const login: Verb<Login, LoginAnswer> = { kind: 1, question: loginShape, answer: answerShape };

const redeemed = record({
  kind: word("redeemed"),
  account: text(512),
  /** Relative to the data directory: `mail/<domain>/<local part>/Maildir`. */
  maildir: text(1024),
});
const unknownTicket = record({ kind: word("unknown") });

export type Redeemed = Shaped<typeof redeemed> | Shaped<typeof unknownTicket>;

export const redeem: Verb<{ readonly ticket: string }, Redeemed> = {
  kind: 2,
  question: record({ ticket: text(64) }),
  answer: union<Redeemed>({ redeemed, unknown: unknownTicket }),
};
