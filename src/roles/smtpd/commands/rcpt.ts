// RCPT: adds a recipient, when we deliver for its domain and it exists, or when one of our users sends the mail.

import { err, ok, type Result } from "#base/result.ts";
import type { RecipientAnswer } from "#talk/lookup.ts";
import { parseParams } from "#wire/smtp/params.ts";
import { type Mailbox, parsePath } from "#wire/smtp/path.ts";
import { badParams, badRecipient, replies, unknownParam } from "#wire/smtp/replies.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import type { Answer, Connection } from "../state.ts";

export function forwardPath(rest: string): Result<Mailbox, Reply> {
  const [prefix = ""] = /^to: */i.exec(rest) ?? [];
  // the space behind the colon: see MAIL
  if (prefix === "") return err(replies.recipientSyntax);
  const path = parsePath(rest.slice(prefix.length), "postmaster");
  if (!path.ok) return err(badRecipient(path.error));
  if (!path.value.mailbox) return err(replies.nullRecipient);
  const params = parseParams(path.value.rest);
  if (!params.ok) return err(badParams(params.error));
  for (const keyword of params.value.keys()) return err(unknownParam(keyword));
  return ok(path.value.mailbox);
}

export async function addRecipient(connection: Connection, mailbox: Mailbox): Promise<Answer> {
  const { door, peers, session } = connection;
  const recipients = session.transaction?.recipients;
  if (!recipients) return replies.mailFirst;
  // RFC 5321 §4.5.3.1.10: 452, so that the client sends the rest in another transaction
  if (recipients.size >= door.maxRecipients) return replies.tooManyRecipients;
  const answer = await peers.recipient(mailbox.address);
  const refusal = recipientRefusal(answer, session.account !== undefined);
  if (refusal) return refusal;
  recipients.add(mailbox.address);
  return replies.recipientOk;
}

function recipientRefusal(answer: RecipientAnswer, mayRelay: boolean): Reply | undefined {
  switch (answer.kind) {
    case "deliverable":
      return undefined;
    case "unknown":
      return replies.noSuchUser;
    case "elsewhere":
      return mayRelay ? undefined : replies.relayDenied;
  }
}
