// The interface of qmail-queue: an envelope as `F` sender NUL, `T` recipient NUL …, NUL, and what its exit codes mean.

import { err, ok, type Result } from "#base/result.ts";

/** Addresses as qmail has them: without quotes; bytes, one a character. */
export interface QueueEnvelope {
  readonly sender: string;
  readonly recipients: readonly string[];
}

/** Reads an envelope. An error when it is none, or not whole: whoever wrote it has died. */
export function parseQueueEnvelope(bytes: Buffer): Result<QueueEnvelope> {
  const text = bytes.toString("latin1");
  const end = text.indexOf("\0\0");
  // of a sender alone the NUL of its end is the one before the last
  const [first = "", ...rest] = text.slice(0, end).split("\0");
  if (end < 0 || !first.startsWith("F")) return err("The envelope is not whole");
  if (rest.some((each) => !each.startsWith("T"))) return err("The envelope has what is no recipient");
  return ok({ sender: first.slice(1), recipients: rest.map((each) => each.slice(1)) });
}

/** How qmail-queue and what stands in its place end: 11 to 40 are for good, all others for now. */
export const queueExits = {
  done: 0,
  /** D: the server refuses it for good. */
  refused: 31,
  read: 54,
  /** No servers are configured. */
  config: 55,
  /** Z: the server refuses it now. */
  later: 71,
  connectTimeout: 72,
  connectRefused: 73,
  /** The connection broke before there was an answer: whether the server has the message nobody knows. */
  lost: 74,
  bug: 81,
  format: 91,
} as const;

export type QueueExit = (typeof queueExits)[keyof typeof queueExits];
