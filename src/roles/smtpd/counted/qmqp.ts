// QMQP: one message and one answer, from clients that may send to anybody (docs/qmtp.md).

import { limits } from "#base/limits.ts";
import { addressFromQmail, senderFromQmail } from "#wire/qmail/address.ts";
import { answerFor, answers } from "#wire/qmtp.ts";
import { addUnasked } from "../commands/rcpt.ts";
import { type Connection, endTransaction } from "../state.ts";
import { begin, finish, type Kept, mostOf, readMessage } from "./message.ts";
import type { Talk } from "./session.ts";

/** Takes the message; the connection ends behind its answer. */
export async function qmqp(talk: Talk): Promise<boolean> {
  const { connection, incoming, say } = talk;
  const { counted } = limits;
  let kept: Kept | undefined;
  try {
    const whole = await incoming.length(counted.longest);
    const [sender, ...named] = await incoming.within(whole, async () => {
      const length = await incoming.length(counted.longest);
      const room = { incoming, budget: talk.budget, most: mostOf(connection) };
      kept = await readMessage(room, length, "lf");
      return [await incoming.address(), ...(await incoming.addresses())];
    });
    if (kept) await say([await answerOf(connection, kept, { sender, named })]);
    return false;
  } finally {
    endTransaction(connection.session);
    kept?.release();
  }
}

interface Given {
  readonly sender: string | undefined;
  readonly named: readonly (string | undefined)[];
}

async function answerOf(connection: Connection, kept: Kept, { sender, named }: Given): Promise<string> {
  const { bareHost } = connection.door;
  const from = sender === undefined ? undefined : senderFromQmail(sender, bareHost);
  const addresses = named.map((each) => (each === undefined ? undefined : addressFromQmail(each, bareHost)));
  if (from === undefined || addresses.includes(undefined)) return answers.badAddress;
  const began = begin(connection, kept, [from, ...addresses]);
  if (began.code >= 400) return answerFor(began);
  // as qmail-qmqpd takes it: nobody hears of it again
  if (addresses.length === 0) return answers.nobody;
  const fit = addresses.every((each) => each !== undefined && addUnasked(connection, each));
  return fit ? finish(connection, kept) : answers.tooManyEver;
}
