// Letter: a message as servers are told of it, and what of its sender's wishes each server is able to take.

import { limits } from "#base/limits.ts";
import type { Delivery } from "#talk/deliver.ts";
import { beyondAscii, type Status } from "#wire/envelope.ts";
import { asciiAddress, formatMail, formatRcpt } from "#wire/smtp/request.ts";
import { nameOf, type Peer } from "./peer.ts";

export interface LetterBody {
  readonly size: number;
  /** All of it, when it is small. */
  readonly whole: Buffer | undefined;
  chunks(): AsyncIterable<Buffer>;
}

/** A recipient whose path is written as RFC 5321 wants it. */
export interface Addressee {
  readonly index: number;
  readonly path: string;
  readonly notify?: Delivery["recipients"][number]["notify"];
  readonly original?: string | undefined;
}

export interface Letter extends Pick<Delivery, "ret" | "envid" | "deliverBy" | "priority"> {
  /** Path of the sender, "" for none. */
  readonly sender: string;
  readonly eightBit: boolean;
  /** Letters beyond ASCII are in its header section: only a server with SMTPUTF8 may get it. */
  readonly utf8: boolean;
  readonly body: LetterBody;
  /** ms since 1970, as it is sent. */
  readonly now: number;
}

/** The letter of a delivery. Rejects when its body cannot be read. */
export async function letterOf(
  delivery: Delivery,
  { sender, body, now }: { readonly sender: string; readonly body: LetterBody; readonly now: number },
): Promise<Letter> {
  const { ret, envid, deliverBy, priority } = delivery;
  // RFC 6531 §3.4 leaves SMTPUTF8 out where nothing needs it, so that more servers can take the message
  const utf8 = delivery.utf8 === true && (await hasUtf8Header(body));
  return { sender, body, now, utf8, eightBit: delivery.body !== "7bit", ret, envid, deliverBy, priority };
}

/** Whether there are letters beyond ASCII before the first empty line; of a longer section only the start is looked at. */
async function hasUtf8Header(body: LetterBody): Promise<boolean> {
  let start = Buffer.alloc(0);
  for await (const chunk of body.chunks()) {
    start = Buffer.concat([start, chunk]);
    if (start.includes("\r\n\r\n") || start.length > limits.queue.bounceHeader) break;
  }
  const end = start.indexOf("\r\n\r\n");
  return start.subarray(0, end < 0 ? start.length : end).some((octet) => octet >= 0x80);
}

/** Why this server must not be given the letter at all; undefined when it may. */
export function unfit({ body, utf8, sender, deliverBy, now }: Letter, peer: Peer): Status | undefined {
  const name = nameOf(peer.target);
  const { largest } = peer;
  if (largest !== undefined && body.size > largest) {
    // RFC 1870 §6.1: no need to ask
    return { code: "5.3.4", text: `The message has ${body.size} bytes; ${name} takes at most ${largest}` };
  }
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

const secondsTo = (time: number, now: number): number => Math.round((time - now) / 1000);

/** The addressee as this server can be told of it; undefined: not at all (RFC 6531 §3.2). */
export function addressedTo(addressee: Addressee, peer: Peer): Addressee | undefined {
  if (peer.offers("SMTPUTF8")) return addressee;
  const path = asciiAddress(addressee.path);
  return path === undefined ? undefined : { ...addressee, path };
}

/** MAIL, with what the server knows of what goes with the letter. */
export function mailLine(letter: Letter, to: readonly Addressee[], peer: Peer): string {
  const { body, eightBit, ret, envid, deliverBy, priority, now } = letter;
  const takesUtf8 = peer.offers("SMTPUTF8");
  const sender = takesUtf8 ? letter.sender : (asciiAddress(letter.sender) ?? letter.sender);
  return formatMail(sender, {
    size: peer.offers("SIZE") ? body.size : undefined,
    // to a server without 8BITMIME it goes as it is: all but museum pieces take it, and a bounce would help nobody
    eightBit: eightBit && peer.offers("8BITMIME"),
    utf8: takesUtf8 && (letter.utf8 || beyondAscii(sender) || to.some(({ path }) => beyondAscii(path))),
    ...(peer.offers("DSN") ? { ret, envid } : {}),
    by:
      deliverBy && peer.offers("DELIVERBY")
        ? { seconds: secondsTo(deliverBy.time, now), mode: deliverBy.mode, trace: deliverBy.trace === true }
        : undefined,
    priority: peer.offers("MT-PRIORITY") ? priority : undefined,
  });
}

/** RCPT, with what the sender asked to be told where the server knows of such. */
export const rcptLine = ({ path, notify, original }: Addressee, peer: Peer): string =>
  formatRcpt(path, peer.offers("DSN") ? { notify, original, utf8: peer.offers("SMTPUTF8") } : {});
