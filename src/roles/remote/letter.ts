// Letter: a message as servers are told of it, and what of its sender's wishes each server is able to take.

import type { Delivery } from "#talk/deliver.ts";
import { beyondAscii, type Status } from "#wire/envelope.ts";
import { type Body, examine, type Facts, mayRecode, recodeBody } from "#wire/message/binary.ts";
import { asciiAddress, formatMail, formatRcpt } from "#wire/smtp/request.ts";
import { nameOf, type Peer } from "./peer.ts";

/** A recipient whose path is written as RFC 5321 wants it. */
export interface Addressee {
  readonly index: number;
  readonly path: string;
  readonly notify?: Delivery["recipients"][number]["notify"];
  readonly original?: string | undefined;
}

export interface Letter extends Pick<Delivery, "ret" | "envid" | "deliverBy" | "priority" | "requireTls"> {
  /** Path of the sender, "" for none. */
  readonly sender: string;
  /** What was declared of its body. */
  readonly declared: Delivery["body"];
  /** Letters beyond ASCII are in a header of it: only a server with SMTPUTF8 may get it. */
  readonly utf8: boolean;
  readonly body: Body;
  /** What the body needs; it is read for that once. Rejects with Unreadable. */
  readonly facts: () => Promise<Facts>;
  /** ms since 1970, as it is sent. */
  readonly now: number;
}

/** A body of ours that cannot be read: our trouble, not the server's. */
export class Unreadable extends Error {}

export async function* readable(chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  try {
    yield* chunks;
  } catch (thrown) {
    throw new Unreadable("Cannot read the body", { cause: thrown });
  }
}

/** The letter of a delivery. Rejects when its body cannot be read. */
export async function letterOf(
  delivery: Delivery,
  { sender, body, now }: { readonly sender: string; readonly body: Body; readonly now: number },
): Promise<Letter> {
  const { ret, envid, deliverBy, priority, requireTls, body: declared } = delivery;
  let found: Promise<Facts> | undefined;
  const facts = () => {
    found ??= examine(readable(body.chunks()));
    return found;
  };
  // RFC 6531 §3.4 leaves SMTPUTF8 out where nothing needs it, so that more servers can take the message
  const utf8 = delivery.utf8 === true && (await facts()).eightBitHeader;
  return { sender, declared, body, facts, now, utf8, ret, envid, deliverBy, priority, requireTls };
}

/** A body as one server can take it, and what it is told of it. */
export interface Fitted {
  readonly body: Body;
  readonly kind: "8BITMIME" | "BINARYMIME" | undefined;
}

/** The body for this server: as it is, or encoded for one that does not take all bytes. A status when it cannot be (RFC 6152 §3, RFC 3030 §3). */
export async function fitBody(letter: Letter, peer: Peer): Promise<Fitted | Status> {
  const { body, declared } = letter;
  const takesEight = peer.offers("8BITMIME");
  if (declared !== "binarymime" && takesEight)
    return { body, kind: declared === "8bitmime" ? "8BITMIME" : undefined };
  if (declared === "binarymime" && peer.offers("BINARYMIME") && peer.offers("CHUNKING"))
    return { body, kind: "BINARYMIME" };
  const facts = await letter.facts();
  if (declared !== "binarymime" && !facts.eightBit) return { body, kind: undefined };
  const target = takesEight ? "8bit" : "7bit";
  if (!mayRecode(facts, target)) {
    const text = `${nameOf(peer.target)} takes no ${takesEight ? "binary" : "8-bit"} mail, and this cannot be changed without harm`;
    return { code: "5.6.3", text };
  }
  const recoded = await recodeBody({ ...body, chunks: () => readable(body.chunks()) }, facts, target);
  return { body: recoded, kind: takesEight && facts.eightBit ? "8BITMIME" : undefined };
}

/** Why this server must not be given the letter at all; undefined when it may. */
export function unfit({ utf8, sender, deliverBy, now }: Letter, peer: Peer): Status | undefined {
  const name = nameOf(peer.target);
  // RFC 6531 §3.2
  if (!peer.offers("SMTPUTF8") && (utf8 || asciiAddress(sender) === undefined))
    return { code: "5.6.7", text: `${name} takes no messages with other than ASCII letters in their header` };
  if (deliverBy?.mode !== "return") return undefined;
  const seconds = secondsTo(deliverBy.time, now);
  // RFC 2852 §4.1.4: who wants it back in time must not lose sight of it
  if (!peer.offers("DELIVERBY"))
    return { code: "5.3.3", text: `${name} cannot promise to deliver in time (DELIVERBY)` };
  const least = Number.parseInt(peer.parameters("DELIVERBY"), 10) || 1;
  return seconds < least
    ? { code: "5.4.7", text: `${name} wants ${least} seconds to deliver; ${Math.max(0, seconds)} are left` }
    : undefined;
}

/** RFC 1870 §6.1: no need to ask. */
export function tooLarge({ size }: Body, peer: Peer): Status | undefined {
  const { largest } = peer;
  if (largest === undefined || size <= largest) return undefined;
  return {
    code: "5.3.4",
    text: `The message has ${size} bytes; ${nameOf(peer.target)} takes at most ${largest}`,
  };
}

const secondsTo = (time: number, now: number): number => Math.round((time - now) / 1000);

/** The addressee as this server can be told of it; undefined: not at all (RFC 6531 §3.2). */
export function addressedTo(addressee: Addressee, peer: Peer): Addressee | undefined {
  if (peer.offers("SMTPUTF8")) return addressee;
  const path = asciiAddress(addressee.path);
  return path === undefined ? undefined : { ...addressee, path };
}

/** MAIL, with what the server knows of what goes with the letter. */
export function mailLine(letter: Letter, fitted: Fitted, to: readonly Addressee[], peer: Peer): string {
  const { ret, envid, deliverBy, priority, requireTls, now } = letter;
  const takesUtf8 = peer.offers("SMTPUTF8");
  const sender = takesUtf8 ? letter.sender : (asciiAddress(letter.sender) ?? letter.sender);
  return formatMail(sender, {
    size: peer.offers("SIZE") ? fitted.body.size : undefined,
    body: fitted.kind,
    utf8: takesUtf8 && (letter.utf8 || beyondAscii(sender) || to.some(({ path }) => beyondAscii(path))),
    ...(peer.offers("DSN") ? { ret, envid } : {}),
    by:
      deliverBy && peer.offers("DELIVERBY")
        ? { seconds: secondsTo(deliverBy.time, now), mode: deliverBy.mode, trace: deliverBy.trace === true }
        : undefined,
    requireTls: requireTls === true && peer.secured && peer.offers("REQUIRETLS"),
    priority: peer.offers("MT-PRIORITY") ? priority : undefined,
  });
}

/** RCPT, with what the sender asked to be told where the server knows of such. */
export const rcptLine = ({ path, notify, original }: Addressee, peer: Peer): string =>
  formatRcpt(path, peer.offers("DSN") ? { notify, original, utf8: peer.offers("SMTPUTF8") } : {});
