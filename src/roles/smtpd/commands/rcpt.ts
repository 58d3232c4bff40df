// RCPT: adds a recipient, when we deliver for its domain and it exists, or when one of our users sends the mail.

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";
import type { RecipientAnswer } from "#talk/lookup.ts";
import { type Recipient, splitAddress } from "#wire/envelope.ts";
import { isListed, withoutPercent } from "#wire/qmail/hosts.ts";
import { parseCommand } from "#wire/smtp/command.ts";
import { parsePath } from "#wire/smtp/path.ts";
import { badRecipient, deniedRecipient, replies } from "#wire/smtp/replies.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import { refusedBy } from "../judged.ts";
import { readRcptParams } from "../parameters.ts";
import { type Answer, type Connection, closing, type Door } from "../state.ts";

export function forwardPath(rest: string, connection: Connection): Result<Recipient, Reply> {
  const [prefix = ""] = /^to: */i.exec(rest) ?? [];
  // the space behind the colon: see MAIL
  if (prefix === "") return err(replies.recipientSyntax);
  const utf8 = connection.session.transaction?.wishes.utf8 === true;
  const path = parsePath(rest.slice(prefix.length), { postmaster: true, utf8 });
  if (!path.ok) return err(badRecipient(path.error));
  if (!path.value.mailbox) return err(replies.nullRecipient);
  const params = readRcptParams(path.value.rest, connection);
  return params.ok ? ok({ address: path.value.mailbox.address, ...params.value }) : params;
}

/**
 * Asks about the recipients of commands that are waiting behind this one, all at once; each is answered in its turn. Nothing but time
 * depends on it.
 */
export function lookAhead(connection: Connection, waiting: Iterable<Buffer>): void {
  const { transaction } = connection.session;
  // what was looked at once is not looked at again
  if (!transaction || transaction.ahead-- > 0) return;
  transaction.ahead = 0;
  const { lookups } = transaction;
  for (const line of waiting) {
    const { verb, rest } = parseCommand(line);
    if (verb !== "RCPT" || transaction.ahead >= limits.smtp.lookups) return;
    transaction.ahead++;
    const recipient = forwardPath(rest, connection);
    if (!recipient.ok || lookups.has(recipient.value.address)) continue;
    const answer = lookUp(connection, recipient.value.address);
    // who waits for it hears of it
    answer.catch(() => {});
    lookups.set(recipient.value.address, answer);
  }
}

export async function addRecipient(connection: Connection, given: Recipient): Promise<Answer> {
  const { door, session } = connection;
  const { transaction } = session;
  if (!transaction) return replies.mailFirst;
  const { recipients, lookups } = transaction;
  const { address } = given;
  const asked = lookups.get(address);
  lookups.delete(address);
  // RFC 5321 §4.5.3.1.10: 452, so that the client sends the rest in another transaction
  const envelope = transaction.envelope + costOf(given);
  if (recipients.size >= door.maxRecipients || envelope > mostFor(door.maxRecipients))
    return replies.tooManyRecipients;
  const [found, decision, relay] = await Promise.all([
    asked ?? lookUp(connection, address),
    connection.judge?.recipient(address, recipients.size),
    mayRelay(connection),
  ]);
  // first: who is refused anyway need not learn which addresses there are
  if (decision) {
    const refused = refusedBy(connection, decision);
    connection.witness?.refused(decision, address);
    connection.witness?.recipient(address, refused);
    return decision.now ? closing(refused) : refused;
  }
  const { recipient, answer } = await suffixed(connection, { given, found, relay });
  const may = relay !== undefined || isExchanged(door, recipient.address);
  const refusal = recipientRefusal(answer, { relay: may, size: transaction.size });
  if (answer.kind === "unknown") guessed(connection);
  connection.witness?.recipient(address, refusal ?? replies.recipientOk);
  if (refusal) return refusal;
  transaction.envelope = envelope;
  const before = recipients.get(address);
  const kept = before ? together(before, recipient) : compact(recipient);
  recipients.set(kept.address, kept);
  if (answer.kind === "elsewhere") transaction.outside.add(kept.address);
  return replies.recipientOk;
}

/** Whether it exists, by the name under which the queue will have it. */
const lookUp = ({ peers, door }: Connection, address: string): Promise<RecipientAnswer> =>
  peers.recipient(withoutPercent(address, door.percentHack));

/** Whether its domain is one that we exchange mail for. */
const isExchanged = ({ relayHosts, percentHack }: Door, address: string): boolean =>
  relayHosts.size > 0 && isListed(splitAddress(withoutPercent(address, percentHack)).domain, relayHosts);

/** Adds a recipient of a client that may send to anybody, without asking whether it exists: false when there are too many already. */
export function addUnasked({ door, session }: Connection, address: string): boolean {
  const { transaction } = session;
  const envelope = (transaction?.envelope ?? 0) + costOf({ address });
  if (
    !transaction ||
    transaction.recipients.size >= door.maxRecipients ||
    envelope > mostFor(door.maxRecipients)
  )
    return false;
  transaction.envelope = envelope;
  transaction.recipients.set(address, { address });
  return true;
}

/** What was cut out of a command keeps all of it in memory, and there may be a thousand of them: a copy does not. */
const compact = (recipient: Recipient): Recipient => ({
  ...recipient,
  address: copy(recipient.address),
  ...(recipient.original === undefined ? {} : { original: copy(recipient.original) }),
});
const copy = (text: string): string => Buffer.from(text).toString();

/** About what a recipient costs us and the queue. */
const costOf = ({ address, original = "" }: Recipient): number =>
  Buffer.byteLength(address) + Buffer.byteLength(original);

/** What the recipients of one message may cost; their envelope must fit into one frame to the queue. */
function mostFor(maxRecipients: number): number {
  const { perRecipient, least, most } = limits.smtp.envelope;
  return Math.min(Math.max(maxRecipients * perRecipient, least), most);
}

/** Counts for the rules, and for the ledger. */
function guessed({ judge, witness }: Connection): void {
  judge?.unknown();
  witness?.unknown();
}

/** Our users; on a lan listener whom it serves, also when a proxy has said who that is; whom a rule gives RELAYCLIENT. What is put behind its
 * recipients ("" as a rule); undefined: it may not. */
async function mayRelay({ session, door, client, judge }: Connection): Promise<string | undefined> {
  if (session.account !== undefined || door.serves?.has(client.address) === true) return "";
  return judge?.relays();
}

interface Found {
  readonly given: Recipient;
  readonly found: RecipientAnswer;
  readonly relay: string | undefined;
}

/** The recipient with what RELAYCLIENT puts behind it, as qmail does: the rules of routing decide where such addresses go. */
async function suffixed(connection: Connection, { given, found, relay = "" }: Found) {
  if (relay === "") return { recipient: given, answer: found };
  const address = behind(given.address, relay);
  return { recipient: { ...given, address }, answer: await lookUp(connection, address) };
}

/** Who is named twice gets one copy; reports are sent on every occasion that either wanted. */
function together(before: Recipient, again: Recipient): Recipient {
  if (!before.notify && !again.notify) return before;
  // RFC 3461 §4.1: what is usual without NOTIFY
  const usual = ["failure", "delay"] as const;
  const notify = [...new Set([...(before.notify ?? usual), ...(again.notify ?? usual)])];
  return { ...again, ...before, notify };
}

/** A suffix with a domain makes all before it a local part, which then must be quoted (RFC 5321 §4.1.2). */
function behind(address: string, suffix: string): string {
  if (!suffix.includes("@")) return `${address}${suffix}`;
  const { local, domain } = splitAddress(`${address}${suffix}`);
  return `"${local.replaceAll(/["\\]/g, "\\$&")}"@${domain}`;
}

interface Asked {
  readonly relay: boolean;
  /** As it was declared (RFC 1870); 0: it was not. */
  readonly size: number;
}

function recipientRefusal(answer: RecipientAnswer, { relay, size }: Asked): Reply | undefined {
  switch (answer.kind) {
    case "deliverable":
      return quotaRefusal(answer, size);
    case "unknown":
      return replies.noSuchUser;
    case "elsewhere":
      return relay ? undefined : replies.relayDenied;
    case "denied":
      return deniedRecipient(answer.why);
  }
}

/** What can never fit is refused for good; what does not fit now may tomorrow. */
function quotaRefusal(
  { room, most }: Extract<RecipientAnswer, { kind: "deliverable" }>,
  size: number,
): Reply | undefined {
  if (most !== undefined && size > most) return replies.largerThanMailbox;
  return room !== undefined && (room === 0 || size > room) ? replies.mailboxFull : undefined;
}
