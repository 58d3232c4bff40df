// DATA and BDAT: the message itself. A message comes by one of them, not both (RFC 3030 §2).

import { err, ok, type Result } from "#base/result.ts";
import { type ChunkHead, parseChunk } from "#wire/smtp/chunk.ts";
import { replies } from "#wire/smtp/replies.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import { type Answer, type Chunk, type Connection, closing, type Transaction } from "../state.ts";

const startMail: Answer = { ...replies.startMail, next: "body" };

export const startBody = (): Answer => startMail;

/** Whether chunks of a message have come, good or bad. */
export const hasBegun = (transaction: Transaction | undefined): boolean =>
  transaction !== undefined && (transaction.intake !== undefined || transaction.spoiled);

/** What stands against DATA in a transaction that could take a message. */
export function dataRefusal({ session: { transaction } }: Connection): Reply | undefined {
  if (hasBegun(transaction)) return replies.dataAfterChunk;
  // RFC 3030 §3: dots and line ends would change what is not text
  return transaction?.wishes.body === "binarymime" ? replies.binaryNeedsChunks : undefined;
}

export function chunkHead(rest: string): Result<ChunkHead, Answer> {
  const head = parseChunk(rest);
  return head ? ok(head) : err(closing(replies.lostChunk));
}

/** RFC 3030 §2: whatever the answer, it is given when the octets have come; `missing` is what the order of commands says. */
export function startChunk(
  { session: { transaction } }: Connection,
  { octets, last, flawed }: ChunkHead,
  missing: Reply | undefined,
): Chunk {
  const spoiled = transaction?.spoiled ? replies.chunkRefused : undefined;
  return { octets, last, refusal: flawed ? replies.chunkSyntax : (spoiled ?? missing) };
}
