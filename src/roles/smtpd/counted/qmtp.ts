// QMTP: one message after the other, an answer for each recipient (docs/qmtp.md).

import { limits } from "#base/limits.ts";
import { addressFromQmail } from "#wire/qmail/address.ts";
import { answerFor, answers } from "#wire/qmtp.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import { addRecipient } from "../commands/rcpt.ts";
import { type Answer, type Connection, endTransaction } from "../state.ts";
import { Ended } from "./incoming.ts";
import { begin, finish, type Kept, mostOf, readMessage, troubleOf } from "./message.ts";
import type { Talk } from "./session.ts";

const [LF, CR] = [10, 13];

/** Takes one message; false: the connection ends behind its answers. */
export async function qmtp(talk: Talk): Promise<boolean> {
  const { connection, incoming, say } = talk;
  const { counted } = limits;
  const length = await incoming.length(counted.longest);
  const first = length === 0 ? undefined : await incoming.byte();
  if (first !== LF && first !== CR) throw new Ended("refused");
  const room = { incoming, budget: talk.budget, most: mostOf(connection) };
  const kept = await readMessage(room, length - 1, first === LF ? "lf" : "crlf");
  try {
    const sender = await incoming.address();
    const list = await incoming.length(counted.envelope);
    const named = await incoming.within(list, () => incoming.addresses());
    const delivery = new Delivery(connection, kept);
    await say(await delivery.run(sender, named));
    incoming.restart();
    return !delivery.over;
  } finally {
    endTransaction(connection.session);
    kept.release();
  }
}

class Delivery {
  readonly #connection: Connection;
  readonly #kept: Kept;
  /** Why this connection ends; all that is named behind it hears so too. */
  #last: Reply | undefined;

  constructor(connection: Connection, kept: Kept) {
    this.#connection = connection;
    this.#kept = kept;
  }

  get over(): boolean {
    return this.#last !== undefined;
  }

  /** An answer for each recipient. */
  async run(given: string | undefined, named: readonly (string | undefined)[]): Promise<readonly string[]> {
    const { bareHost } = this.#connection.door;
    const addresses = named.map((each) =>
      each === undefined ? undefined : addressFromQmail(each, bareHost),
    );
    const sender = given === "" ? "" : given && addressFromQmail(given, bareHost);
    if (sender === undefined)
      return addresses.map((each) => (each === undefined ? answers.badRecipient : answers.badSender));
    const began = begin(this.#connection, this.#kept, [sender, ...addresses]);
    this.#note(began, "QMTP sender");
    if (began.code >= 400) return addresses.map(() => answerFor(began));
    const refusals: (string | undefined)[] = [];
    for (const address of addresses) refusals.push(await this.#recipient(address));
    if (!refusals.includes(undefined)) return refusals.map((each) => each ?? "");
    const result = await finish(this.#connection, this.#kept);
    return refusals.map((each) => each ?? result);
  }

  /** Why a recipient is refused. */
  async #recipient(address: string | undefined): Promise<string | undefined> {
    if (address === undefined) return answers.badRecipient;
    if (this.#last) return answerFor(this.#last);
    const reply = await addRecipient(this.#connection, { address }).catch((thrown: unknown) =>
      troubleOf(this.#connection, thrown),
    );
    this.#note(reply, `QMTP recipient <${address}>`);
    return reply.code < 400 ? undefined : answerFor(reply);
  }

  /** Counts and logs what was refused, as SMTP does. */
  #note(reply: Answer | Reply, command: string): void {
    if (reply.code < 400) return;
    const connection = this.#connection;
    const { id, client, log, door } = connection;
    log.event("smtp_reject", {
      session: id,
      ip: client.address,
      code: reply.code,
      command,
      text: reply.text,
    });
    if (reply.code >= 500) connection.errors++;
    else connection.temporary++;
    const tooMany = connection.errors >= door.errors || connection.temporary >= limits.smtp.temporary;
    const said = "next" in reply && reply.next === "close";
    if (said || tooMany) this.#last ??= reply;
  }
}
