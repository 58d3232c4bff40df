// The answers of QMTP and QMQP, in qmail's words: a letter (K: taken, Z: try later, D: never), and text for people.

import { replies } from "./smtp/replies.ts";
import type { Reply } from "./smtp/reply.ts";

/** An answer is taken apart by its first letter. */
export type Verdict = "K" | "Z" | "D";

export const answers = {
  relayDenied: "Dsorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
  badRecipient: "Dsorry, I can't handle that recipient (#5.1.3)",
  badSender: "Dunacceptable sender (#5.1.7)",
  tooLarge: "Dsorry, that message size exceeds my databytes limit (#5.3.4)",
  /** QMQP: of the whole message, because it has one answer. */
  badAddress: "Dsorry, I can't accept addresses like that (#5.1.3)",
  tooMany: "Zsorry, too many recipients at once (#4.5.3)",
  tooManyEver: "Dsorry, too many recipients in one message (#5.5.3)",
  nobody: "Dsorry, that message has no recipients (#5.5.1)",
  stranger: "Dsorry, this listener does not serve your network (#5.7.1)",
  crowded: "Zsorry, too many connections (#4.3.2)",
} as const;

/** The id is what the log knows the message by; `time` in ms since 1970. */
export const taken = (time: number, id: string): string => `Kok ${Math.floor(time / 1000)} qp ${id}`;

/** Sent before a session exists: why a connection is not served. */
export const turnedAway = (why: string): string => (why === "stranger" ? answers.stranger : answers.crowded);

/** A refusal of SMTP as an answer; those that qmail has words for in these. */
export function answerFor(reply: Reply): string {
  if (reply === replies.relayDenied) return answers.relayDenied;
  if (reply === replies.tooLarge) return answers.tooLarge;
  if (reply === replies.tooManyRecipients) return answers.tooMany;
  const letter: Verdict = reply.code >= 500 ? "D" : "Z";
  return `${letter}${reply.text}${reply.enhanced === "" ? "" : ` (#${reply.enhanced})`}`;
}

/** The letter of an answer; what is none means that nobody knows, so: later. */
export function verdictOf(answer: string): Verdict {
  const letter = answer[0];
  return letter === "K" || letter === "D" ? letter : "Z";
}
