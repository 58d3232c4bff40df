// A message that came counted, from its first byte to the queue: by the same way as one of SMTP, with the same refusals.

import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import { BodyText } from "#wire/bodytext.ts";
import { beyondAscii } from "#wire/envelope.ts";
import { answerFor, taken } from "#wire/qmtp.ts";
import { badBody, replies } from "#wire/smtp/replies.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import { beginTransaction } from "../commands/mail.ts";
import { Intake } from "../intake.ts";
import type { Connection } from "../state.ts";
import type { Budget } from "./budget.ts";
import type { Incoming } from "./incoming.ts";

/** A message while its envelope is on its way. */
export interface Kept {
  /** Text with CR LF; undefined: it was too large, and is gone. */
  readonly pieces: Buffer[] | undefined;
  /** Why it is refused. */
  readonly refusal: Reply | undefined;
  readonly eightBit: boolean;
  /** Bytes, as they came. */
  readonly size: number;
  /** Gives its memory back. */
  readonly release: () => void;
}

interface Room {
  readonly incoming: Incoming;
  readonly budget: Budget;
  /** Bytes that it may have. */
  readonly most: number;
}

/** Reads the bytes of a message and the comma behind them. */
export async function readMessage(
  { incoming, budget, most }: Room,
  length: number,
  ends: "lf" | "crlf",
): Promise<Kept> {
  if (length > most) {
    await incoming.bytes(length, undefined);
    await incoming.comma();
    return { pieces: undefined, refusal: replies.tooLarge, eightBit: false, size: 0, release: () => {} };
  }
  const release = await budget.take(length);
  incoming.restart();
  try {
    const text = new BodyText(ends);
    const pieces: Buffer[] = [];
    let eightBit = false;
    await incoming.bytes(length, (chunk) => {
      eightBit ||= chunk.some((byte) => byte > 127);
      pieces.push(text.feed(chunk));
    });
    await incoming.comma();
    pieces.push(text.end());
    return { pieces, refusal: text.flaw && badBody(text.flaw), eightBit, size: length, release };
  } catch (thrown) {
    release();
    throw thrown;
  }
}

/** Largest message of a listener: all of it must fit into what there is for all. */
export const mostOf = ({ door, judge }: Connection): number =>
  Math.min(door.maxSize, judge?.dataBytes ?? door.maxSize, limits.counted.memory);

/** Begins the transaction that the message belongs to; a reply below 400 says that it has. */
export function begin(connection: Connection, kept: Kept, addresses: readonly (string | undefined)[]): Reply {
  const [sender = ""] = addresses;
  const utf8 = addresses.some((each) => each !== undefined && beyondAscii(each));
  const wishes = { body: kept.eightBit ? "8bitmime" : "7bit", ...(utf8 ? { utf8 } : {}) } as const;
  return beginTransaction(connection, {
    address: sender,
    params: { size: kept.size, by: undefined, wishes },
  });
}

/** Hands the message to the queue, for the recipients of the transaction: the answer. */
export async function finish(connection: Connection, kept: Kept): Promise<string> {
  const { session, clock } = connection;
  const { transaction } = session;
  const refusal = kept.refusal ?? (transaction ? undefined : replies.queueAway);
  if (refusal || !transaction) return answerFor(refusal ?? replies.queueAway);
  const intake = new Intake(connection, transaction);
  transaction.intake = intake;
  const pieces = kept.pieces?.splice(0) ?? [];
  for (const piece of pieces) {
    if (piece.length > 0) intake.take(piece);
    if (intake.full) await intake.pour();
  }
  const reply = await intake.finish();
  return intake.id === undefined ? answerFor(reply) : taken(clock.now(), intake.id);
}

/** What the world's failure is for a client. */
export function troubleOf({ log, id }: Connection, thrown: unknown): Reply {
  if (!(thrown instanceof Trouble)) throw thrown;
  log.event("trouble", { session: id, reason: thrown.message });
  return replies.lookupAway;
}
