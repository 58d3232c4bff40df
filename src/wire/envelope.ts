// The envelope: whom a message is from and for, as smtpd takes it, the queue keeps it and local and remote honour it.

import { flag, list, oneOf, record, type Shape, type Shaped, text } from "#base/shape.ts";

const recipient = record({
  /** `local@domain`, the domain in lower case; the local part as it was given. */
  address: text(512),
});

export const envelopeShape = record({
  /** `local@domain`, or "" for the null sender of bounces (RFC 5321 §4.5.5). */
  sender: text(512),
  recipients: list(recipient, 100_000),
  /** What the sender declared with BODY= (RFC 6152). */
  body: oneOf("7bit", "8bitmime"),
  /** Handed in by one of our own users: its sender is real, so delay warnings may go to it. */
  submitted: flag,
});

export type Envelope = Shaped<typeof envelopeShape>;
export type Recipient = Shaped<typeof recipient>;

/** `local@domain` in its two parts; an address without "@" has the domain "". */
export function splitAddress(address: string): { readonly local: string; readonly domain: string } {
  const at = address.lastIndexOf("@");
  return at < 0
    ? { local: address, domain: "" }
    : { local: address.slice(0, at), domain: address.slice(at + 1).toLowerCase() };
}

/** A status for humans and programs: enhanced code (RFC 3463) and text. */
export const statusShape = record({ code: text(16), text: text(4000) });

export type Status = Shaped<typeof statusShape>;

const delivered = record({ kind: oneOf("delivered"), by: text(2000) });
const deferred = record({ kind: oneOf("deferred"), why: statusShape });
const failed = record({ kind: oneOf("failed"), why: statusShape });

/** What local and remote tell the queue for each recipient. Every surprise is "deferred"; "failed" only when someone said so. */
export type Outcome = Shaped<typeof delivered> | Shaped<typeof deferred> | Shaped<typeof failed>;

export const outcomeShape: Shape<Outcome> = (value, where) => {
  const kind = oneOf(
    "delivered",
    "deferred",
    "failed",
  )((value as { kind?: unknown } | null)?.kind, `${where}.kind`);
  switch (kind) {
    case "delivered":
      return delivered(value, where);
    case "deferred":
      return deferred(value, where);
    case "failed":
      return failed(value, where);
  }
};
