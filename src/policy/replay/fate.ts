// What became of the mail of recorded sessions: lines in the session files, told by those who deliver mail and by those who let people read
// it; and what they mean for a session.

import { limits } from "#base/limits.ts";
import { integer, oneOf, readJson, record, type Shaped, text } from "#base/shape.ts";
import type { SessionRecord } from "./record.ts";

export const fateShape = record({
  /** The message's id in the queue, and which of its recipients it was for. */
  mail: text(limits.ledger.id),
  of: integer(0),
  /** It was put into the mailbox; a person moved it into Junk; took it out of there. */
  fate: oneOf("delivered", "junked", "kept"),
});

/** What became of one copy of a message. */
export type Fate = Shaped<typeof fateShape>;

/** How a line about a fate begins, so that who looks for records need not read it. */
const BEGINNING = '{"mail":';

/** A fate as a line of a session file, without newline; `at`: ms since 1970. */
export const formatFate = ({ mail, of, fate }: Fate, at: number): string =>
  JSON.stringify({ mail, of, fate, at });

/** Whether a line is about a fate and not about a session. */
export const isFateLine = (line: string): boolean => line.startsWith(BEGINNING);

/** What became of all mail, in the order in which it was told. */
export class Fates {
  /** By message, and by its recipients: whether that copy lies in Junk. */
  readonly #mail = new Map<string, Map<number, boolean>>();

  /** Takes in one line; false: it cannot be read. */
  take(line: string): boolean {
    const read = readJson(fateShape, Buffer.from(line));
    if (!read.ok) return false;
    const { mail, of, fate } = read.value;
    const copies = this.#mail.get(mail) ?? new Map<number, boolean>();
    // a delivery that is told late says nothing of what a person did since
    if (fate !== "delivered" || !copies.has(of)) copies.set(of, fate === "junked");
    this.#mail.set(mail, copies);
    return true;
  }

  /** Whether somebody has a copy of this message that is not in Junk; undefined: nobody told. */
  isKept(mail: string): boolean | undefined {
    const copies = this.#mail.get(mail);
    return copies && [...copies.values()].some((junked) => !junked);
  }
}

/** A recorded session and whether its mail was wanted, as far as somebody knows. */
export interface Remembered extends SessionRecord {
  readonly wanted: boolean | undefined;
}

/** Mail was wanted when somebody kept it, or when it came from an address that our users write to. */
export function withFate(session: SessionRecord, fates: Pick<Fates, "isKept">): Remembered {
  return { ...session, wanted: isWanted(session, fates) };
}

function isWanted(
  { messages, mail = [], correspondent }: SessionRecord,
  fates: Pick<Fates, "isKept">,
): boolean | undefined {
  if (messages > 0 && correspondent === true) return true;
  const kept = mail.map((id) => fates.isKept(id)).filter((each) => each !== undefined);
  return kept.length === 0 ? undefined : kept.includes(true);
}
