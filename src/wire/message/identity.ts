// Which message this is, as its sender names it: the same when it is sent again, whatever was put in front of it on the way.

import { hash } from "node:crypto";
import { firstValue, parseFields } from "./header.ts";

/** Characters of an identity. */
export const IDENTITY = 22;

/**
 * Letters, digits, "-" and "_" that stand for the Message-ID of a message that begins with `header` (RFC 5322 §3.6.4); of one without, for what its
 * From, Date and Subject say. Undefined: nothing names it.
 */
export function identityOf(header: Buffer): string | undefined {
  const fields = parseFields(header);
  const id = firstValue(fields, "message-id") ?? "";
  const said = id === "" ? ["from", "date", "subject"].map((name) => firstValue(fields, name) ?? "") : [id];
  if (said.every((each) => each === "")) return undefined;
  return hash("sha256", said.join("\n"), "base64url").slice(0, IDENTITY);
}
