// THE table of parameters: for each one of MAIL and RCPT the extension that brings it, and how it is taken.

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";
import type { Recipient } from "#wire/envelope.ts";
import { parseEnvid, parseNotify, parseOriginal, parseRet } from "#wire/smtp/dsnparams.ts";
import { parseBody, parseParams, parsePriority, parseSize } from "#wire/smtp/params.ts";
import { badParams, replies, unknownParam } from "#wire/smtp/replies.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import { type DeliverBy, parseDeliverBy, parseHoldFor, parseHoldUntil } from "#wire/smtp/times.ts";
import { parseXtext } from "#wire/smtp/xtext.ts";
import { type Keyword, offers } from "./extensions.ts";
import type { Connection, Wishes } from "./state.ts";

type Open<T> = { -readonly [K in keyof T]: T[K] };

/** What MAIL said, while it is read. */
export interface MailParams {
  size: number;
  by: DeliverBy | undefined;
  readonly wishes: Open<Wishes>;
}

/** What RCPT said, while it is read. */
export interface RcptParams {
  readonly utf8: boolean;
  readonly recipient: Open<Omit<Recipient, "address">>;
}

interface Parameter<T> {
  readonly extension: Keyword;
  /** Takes a value, or answers what is wrong with it. */
  readonly take: (value: string, into: T, connection: Connection) => Reply | undefined;
  /** The answer where the extension is not offered; 555 when there is none of its own. */
  readonly otherwise?: Reply;
}

/** Keeps what was read, or answers. */
function put<V>(read: V | undefined, wrong: Reply, keep: (value: V) => void): Reply | undefined {
  if (read === undefined) return wrong;
  keep(read);
  return undefined;
}

const mailParameters: Readonly<Record<string, Parameter<MailParams>>> = {
  SIZE: {
    extension: "SIZE",
    take: (value, into) => put(parseSize(value), replies.badSize, (size) => (into.size = size)),
  },
  BODY: {
    extension: "8BITMIME",
    take: (value, { wishes }) => put(parseBody(value), replies.badBody, (body) => (wishes.body = body)),
  },
  SMTPUTF8: {
    extension: "SMTPUTF8",
    take: (value, { wishes }) => flag(value, () => (wishes.utf8 = true)),
  },
  // RFC 4954 §5: a server that offers AUTH takes the parameter; we hand it to nobody, as if it were "<>"
  AUTH: {
    extension: "AUTH",
    take: (value) => put(parseXtext(value) || undefined, replies.badAuthParam, () => {}),
  },
  RET: {
    extension: "DSN",
    take: (value, { wishes }) => put(parseRet(value), replies.badRet, (ret) => (wishes.ret = ret)),
  },
  ENVID: {
    extension: "DSN",
    take: (value, { wishes }) => put(parseEnvid(value), replies.badEnvid, (id) => (wishes.envid = id)),
  },
  REQUIRETLS: {
    extension: "REQUIRETLS",
    take: (value, { wishes }) => flag(value, () => (wishes.requireTls = true)),
    otherwise: replies.requireTlsInClear,
  },
  BY: {
    extension: "DELIVERBY",
    take: (value, into) => put(parseDeliverBy(value), replies.badDeliverBy, (by) => (into.by = by)),
  },
  HOLDFOR: {
    extension: "FUTURERELEASE",
    take: (value, { wishes }, { clock }) => {
      const seconds = parseHoldFor(value);
      return seconds === undefined
        ? replies.badHoldFor
        : hold(wishes, clock.now() + seconds * 1000, clock.now());
    },
  },
  HOLDUNTIL: {
    extension: "FUTURERELEASE",
    take: (value, { wishes }, { clock }) => {
      const moment = parseHoldUntil(value);
      return moment === undefined ? replies.badHoldUntil : hold(wishes, moment, clock.now());
    },
  },
  "MT-PRIORITY": {
    extension: "MT-PRIORITY",
    take: (value, { wishes }) =>
      put(parsePriority(value), replies.badPriority, (priority) => (wishes.priority = priority)),
  },
};

const rcptParameters: Readonly<Record<string, Parameter<RcptParams>>> = {
  NOTIFY: {
    extension: "DSN",
    take: (value, { recipient }) =>
      put(parseNotify(value), replies.badNotify, (notify) => (recipient.notify = notify)),
  },
  ORCPT: {
    extension: "DSN",
    take: (value, { recipient, utf8 }) =>
      put(parseOriginal(value, utf8), replies.badOriginal, (original) => (recipient.original = original)),
  },
};

function flag(value: string, set: () => void): Reply | undefined {
  return value === "" ? put(true, replies.flagHasValue, set) : replies.flagHasValue;
}

/** RFC 4865 §4: one of the two, not over, and no longer than we said. */
function hold(wishes: Open<Wishes>, moment: number, now: number): Reply | undefined {
  if (wishes.holdUntil !== undefined) return replies.holdTwice;
  if (moment <= now) return replies.holdPast;
  if (moment > now + limits.smtp.hold) return replies.holdTooLong;
  wishes.holdUntil = moment;
  return undefined;
}

/** What stands behind the path of MAIL. */
export function readMailParams(text: string, connection: Connection): Result<MailParams, Reply> {
  const into: MailParams = { size: 0, by: undefined, wishes: { body: "7bit" } };
  const problem = readParams(text, mailParameters, into, connection);
  if (problem) return err(problem);
  const { by, wishes } = into;
  if (by) {
    // of a message that is held the time begins to count when it is let go
    const from = wishes.holdUntil ?? connection.clock.now();
    const time = Math.max(0, from + by.seconds * 1000);
    wishes.deliverBy = { time, mode: by.mode, ...(by.trace ? { trace: true } : {}) };
  }
  return ok(into);
}

/** What stands behind the path of RCPT. */
export function readRcptParams(text: string, connection: Connection): Result<RcptParams["recipient"], Reply> {
  const utf8 = connection.session.transaction?.wishes.utf8 === true;
  const into: RcptParams = { utf8, recipient: {} };
  const problem = readParams(text, rcptParameters, into, connection);
  return problem ? err(problem) : ok(into.recipient);
}

function readParams<T>(
  text: string,
  known: Readonly<Record<string, Parameter<T>>>,
  into: T,
  connection: Connection,
): Reply | undefined {
  const given = parseParams(text);
  if (!given.ok) return badParams(given.error);
  for (const [keyword, value] of given.value) {
    const parameter = Object.hasOwn(known, keyword) ? known[keyword] : undefined;
    if (!parameter) return unknownParam(keyword);
    if (!offers(connection, parameter.extension)) return parameter.otherwise ?? unknownParam(keyword);
    const problem = parameter.take(value, into, connection);
    if (problem) return problem;
  }
  return undefined;
}
