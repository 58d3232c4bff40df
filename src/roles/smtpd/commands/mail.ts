// MAIL: begins a transaction. The declared size and the right to the sender are judged here, before anything else is sent.

import { err, ok, type Result } from "#base/result.ts";
import { foldAddress, parsePath } from "#wire/smtp/path.ts";
import { badSender, replies } from "#wire/smtp/replies.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import { type MailParams, readMailParams } from "../parameters.ts";
import { type Answer, type Connection, closing } from "../state.ts";

export interface Sender {
  readonly address: string;
  readonly params: MailParams;
}

export function reversePath(rest: string, connection: Connection): Result<Sender, Reply> {
  const [prefix = ""] = /^from: */i.exec(rest) ?? [];
  // Outlook and many scripts put a space behind the colon, against RFC 5321 §3.3
  if (prefix === "") return err(replies.mailSyntax);
  // RFC 6531 §3.4: what allows the letters of the path stands behind it
  const path = parsePath(rest.slice(prefix.length), { utf8: / smtputf8(?: |$)/i.test(rest) });
  if (!path.ok) return err(badSender(path.error));
  const params = readMailParams(path.value.rest, connection);
  if (!params.ok) return params;
  if (!path.value.ascii && !params.value.wishes.utf8) return err(badSender("nonAscii"));
  return ok({ address: path.value.mailbox?.address ?? "", params: params.value });
}

export function beginTransaction(connection: Connection, { address, params }: Sender): Answer {
  const { door, session } = connection;
  if (connection.transactions >= door.messages) return closing(replies.tooManyTransactions);
  // RFC 1870 §6.1
  if (params.size > door.maxSize) return replies.sizeDeclared;
  // RFC 6409 §6.1; the null sender is nobody's: user agents send receipts with it (RFC 8098 §3)
  if (session.account && address !== "" && !session.account.addresses.has(foldAddress(address)))
    return replies.notYourAddress;
  connection.transactions++;
  connection.judge?.sender(address);
  connection.witness?.sender(address);
  const { wishes } = params;
  session.transaction = {
    sender: address,
    size: params.size,
    wishes,
    recipients: new Map(),
    envelope: 0,
    lookups: new Map(),
    ahead: 0,
    outside: new Set(),
    intake: undefined,
    spoiled: false,
  };
  return replies.senderOk;
}
