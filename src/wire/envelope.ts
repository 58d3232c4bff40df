// The envelope: whom a message is from and for, as smtpd takes it, the queue keeps it and local and remote honour it.

import { limits } from "#base/limits.ts";
import {
  flag,
  integer,
  list,
  oneOf,
  optional,
  record,
  type Shape,
  type Shaped,
  text,
  union,
} from "#base/shape.ts";

/** What goes with a recipient's address. */
export const recipientFields = {
  /** `local@domain`, the domain in lower case; the local part as it was given. */
  address: text(512),
  /** When its sender wants to hear of it (RFC 3461 §4.1); empty: NEVER; missing: as we think fit. */
  notify: optional(list(oneOf("success", "failure", "delay"), 3)),
  /** ORCPT (RFC 3461 §4.2): `type;address`, without the encoding as xtext. */
  original: optional(text(600)),
};

/** What goes with a message, on all its way. What is missing was not asked for. */
export const messageFields = {
  /** `local@domain`, or "" for the null sender of bounces (RFC 5321 §4.5.5). */
  sender: text(512),
  /** What the sender declared with BODY= (RFC 6152, RFC 3030). */
  body: oneOf("7bit", "8bitmime", "binarymime"),
  /** Handed in by one of our own users: its sender is real, so delay warnings may go to it. */
  submitted: flag,
  /** Its sender was told that it is refused: it is for the Rejects folders of its recipients (docs/rejects.md), and nobody hears of it. */
  rejected: optional(flag),
  /** SMTPUTF8 (RFC 6531): addresses or header fields may be in UTF-8. */
  utf8: optional(flag),
  /** RET (RFC 3461 §4.3): how much of the message a failure notice carries. */
  ret: optional(oneOf("full", "headers")),
  /** ENVID (RFC 3461 §4.4), without the encoding as xtext. */
  envid: optional(text(100)),
  /** REQUIRETLS (RFC 8689): never over a connection that is not verified. */
  requireTls: optional(flag),
  /** BY (RFC 2852), as a moment: ms since 1970. */
  deliverBy: optional(record({ time: integer(), mode: oneOf("return", "notify"), trace: optional(flag) })),
  /** HOLDFOR and HOLDUNTIL (RFC 4865): not before, ms since 1970. */
  holdUntil: optional(integer()),
  /** MT-PRIORITY (RFC 6710); missing: 0. */
  priority: optional(integer(-9, 9)),
};

export const envelopeShape = record({
  ...messageFields,
  recipients: list(record(recipientFields), 100_000),
});

export type Envelope = Shaped<typeof envelopeShape>;
export type Recipient = Envelope["recipients"][number];

/** `local@domain` in its two parts; an address without "@" has the domain "". */
export function splitAddress(address: string): { readonly local: string; readonly domain: string } {
  const at = address.lastIndexOf("@");
  return at < 0
    ? { local: address, domain: "" }
    : { local: address.slice(0, at), domain: address.slice(at + 1).toLowerCase() };
}

/** Beyond ASCII: such an address needs a server that offers SMTPUTF8 (RFC 6531). */
export const beyondAscii = (address: string): boolean => /[^\x00-\x7f]/.test(address);

/** A status for humans and programs: enhanced code (RFC 3463) and text. */
export const statusShape = record({ code: text(16), text: text(4000) });

export type Status = Shaped<typeof statusShape>;

const delivered = record({
  kind: oneOf("delivered"),
  by: text(2000),
  /** Another server has it, and has promised to tell the sender what he asked to be told (RFC 3461 §5.2.1). */
  handedOn: optional(flag),
});
const deferred = record({ kind: oneOf("deferred"), why: statusShape });
const failed = record({ kind: oneOf("failed"), why: statusShape });

const letter = record({
  /** Whom to tell of failures from here on: then it goes to a list (RFC 5321 §3.9.2). Missing: the sender stays, as with an alias (§3.9.1). */
  sender: optional(text(512)),
  recipients: list(text(512), limits.forward.recipients),
  /** Whole lines with CRLF that go in front of the message. */
  prefix: text(limits.queue.front),
});

/** How a message goes on from one of its recipients. */
export type Letter = Shaped<typeof letter>;

const forwarded = record({ kind: oneOf("forwarded"), by: text(2000), letter });

/** What local and remote tell the queue for each recipient. Every surprise is "deferred"; "failed" only when someone said so. "forwarded", which only local may
 * say: the recipient is done with when the message has gone on as a new one (docs/queue.md F1–F4). */
export type Outcome =
  | Shaped<typeof delivered>
  | Shaped<typeof deferred>
  | Shaped<typeof failed>
  | Shaped<typeof forwarded>;

export const outcomeShape: Shape<Outcome> = union<Outcome>({ delivered, deferred, failed, forwarded });
