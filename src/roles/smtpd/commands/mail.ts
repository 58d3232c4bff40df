// MAIL: begins a transaction. The declared size and the right to the sender are judged here, before anything else is sent.

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";
import { type Params, parseBody, parseParams, parseSize, parseXtext } from "#wire/smtp/params.ts";
import { parsePath } from "#wire/smtp/path.ts";
import { badParams, badSender, replies, unknownParam } from "#wire/smtp/replies.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import { type Answer, type Connection, closing, type Transaction } from "../state.ts";

export interface Sender {
  readonly address: string;
  readonly params: MailParams;
}

interface MailParams {
  size: number;
  body: Transaction["body"];
}

/** Each parameter we know: takes its value, or answers what is wrong with it. */
const known: Readonly<
  Record<string, (value: string, into: MailParams, connection: Connection) => Reply | undefined>
> = {
  SIZE: (value, into) => {
    const size = parseSize(value);
    if (size === undefined) return replies.badSize;
    into.size = size;
    return undefined;
  },
  BODY: (value, into) => {
    const body = parseBody(value);
    if (body === undefined) return replies.badBody;
    into.body = body;
    return undefined;
  },
  // RFC 4954 §5: a server that offers AUTH takes the parameter; we hand it to nobody, as if it were "<>"
  AUTH: (value, _into, connection) => {
    if (connection.door.class === "mx") return unknownParam("AUTH");
    return parseXtext(value) ? undefined : badParams("AUTH is xtext");
  },
};

export function reversePath(rest: string, connection: Connection): Result<Sender, Reply> {
  const [prefix = ""] = /^from: */i.exec(rest) ?? [];
  // Outlook and many scripts put a space behind the colon, against RFC 5321 §3.3
  if (prefix === "") return err(replies.mailSyntax);
  const path = parsePath(rest.slice(prefix.length));
  if (!path.ok) return err(badSender(path.error));
  const given = parseParams(path.value.rest);
  if (!given.ok) return err(badParams(given.error));
  const params = readParams(given.value, connection);
  return params.ok ? ok({ address: path.value.mailbox?.address ?? "", params: params.value }) : params;
}

function readParams(given: Params, connection: Connection): Result<MailParams, Reply> {
  const params: MailParams = { size: 0, body: "7bit" };
  for (const [keyword, value] of given) {
    const take = Object.hasOwn(known, keyword) ? known[keyword] : undefined;
    const problem = take ? take(value, params, connection) : unknownParam(keyword);
    if (problem) return err(problem);
  }
  return ok(params);
}

export function beginTransaction(connection: Connection, { address, params }: Sender): Answer {
  const { door, session } = connection;
  if (connection.transactions >= limits.smtp.transactionsPerConnection)
    return closing(replies.tooManyTransactions);
  // RFC 1870 §6.1
  if (params.size > door.maxSize) return replies.sizeDeclared;
  // RFC 6409 §6.1; the null sender is nobody's: user agents send receipts with it (RFC 8098 §3)
  if (session.account && address !== "" && !session.account.addresses.has(address.toLowerCase()))
    return replies.notYourAddress;
  connection.transactions++;
  session.transaction = { sender: address, body: params.body, recipients: new Set() };
  return replies.senderOk;
}
