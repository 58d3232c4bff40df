// Trace: whom a message has been delivered to before, so that one that comes round again is not delivered for ever, as with qmail-local.

import { limits } from "#base/limits.ts";
import type { LetterBody } from "#store/maildir/deliver.ts";
import { headerEnd } from "#wire/message/header.ts";

const FIELD = "Delivered-To: ";

/** The field that says that a message was delivered to an address, without its line end. */
export const deliveredTo = (recipient: string): string =>
  `${FIELD}${recipient.replaceAll(/[\x00-\x1f\x7f]/g, "_")}`;

/** Whether a message with these fields is looping when it comes to a recipient: qmail compares whole lines, so another spelling goes round once more. */
export function isLooping(before: readonly string[], recipient: string): boolean {
  return before.length > limits.forward.hops || before.includes(deliveredTo(recipient));
}

/** The Delivered-To lines of a message. Rejects when the body cannot be read. */
export async function tracesOf(body: LetterBody): Promise<readonly string[]> {
  const start = await startOf(body);
  // the fields of a message without them, nearly all mail, are not made into text
  if (!start.includes(FIELD)) return [];
  const header = start.subarray(0, headerEnd(start)).toString("utf8");
  return header.split(/\r?\n/).filter((line) => line.startsWith(FIELD));
}

async function startOf(body: LetterBody): Promise<Buffer> {
  if (body.whole) return body.whole.subarray(0, limits.smtp.headerBytes);
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of body.chunks()) {
    parts.push(chunk);
    size += chunk.length;
    if (size >= limits.smtp.headerBytes) break;
  }
  return Buffer.concat(parts);
}
