// One message: from standard input, or from an SMTP session, into the drop directory.

import { randomBytes } from "node:crypto";
import { limits } from "#base/limits.ts";
import { type DropHead, formatDrop } from "#store/drop/file.ts";
import { beyondAscii } from "#wire/envelope.ts";
import { type Outgoing, prepareMessage, readRecipients } from "#wire/message/outgoing.ts";
import { type Host, leave, userName } from "./host.ts";
import type { Options } from "./options.ts";
import { Ending } from "./sysexits.ts";

/** Standard input to its end, or to a line with one dot. Ending when it is longer than `most`. */
export async function readMessage(
  input: AsyncIterable<Buffer>,
  most: number,
  dotEnds: boolean,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  // what came last, behind the line end before the first line
  let tail = "\n";
  for await (const chunk of input) {
    const text = tail + chunk.toString("latin1");
    const dot = dotEnds ? /\n\.\r?\n/.exec(text) : null;
    const taken = dot ? chunk.subarray(0, Math.max(0, dot.index + 1 - tail.length)) : chunk;
    size += taken.length;
    if (size > most)
      throw new Ending("unavailable", `The message is too large: this server takes at most ${most} bytes`);
    chunks.push(taken);
    // a person at a terminal goes on when he has typed his dot
    if (dot) return dotOff(Buffer.concat(chunks), size - taken.length + dot.index + 1 - tail.length);
    tail = text.slice(-3);
  }
  const whole = Buffer.concat(chunks);
  return dotEnds && /(?:^|\n)\.\r?$/.test(whole.subarray(-3).toString("latin1"))
    ? dotOff(whole, whole.lastIndexOf("."))
    : whole;
}

/** What stands before the dot; a part of it may have come with an earlier chunk. */
const dotOff = (whole: Buffer, end: number): Buffer => whole.subarray(0, Math.max(0, end));

/** What goes with a message. */
export interface Wishes {
  readonly sender?: string | undefined;
  readonly name?: string | undefined;
  readonly notify?: Options["notify"];
  readonly ret?: Options["ret"];
  readonly envid?: string | undefined;
}

/** The sender as an address: the user who runs this program, or whom he names. Ending when that is none. */
export function senderOf(given: string | undefined, { domain }: Host): string {
  if (given === "") return "";
  const found = readRecipients(given ?? userName(), domain);
  const [address, ...more] = found.ok ? found.value : [];
  if (address !== undefined && more.length === 0) return address;
  throw new Ending("data", `Cannot use the sender "${given ?? userName()}": give an address with -f`);
}

/** The message made fit, and whom its header names. Ending when it must not be sent. */
export function prepared(input: Buffer, host: Host, { name, sender }: Wishes): Outgoing {
  const { domain, hostname } = host;
  const address = senderOf(sender || undefined, host);
  const outgoing = prepareMessage(input, {
    domain,
    hostname,
    address,
    name: name ?? process.env["NAME"] ?? "",
    time: Date.now(),
    unique: randomBytes(12).toString("hex"),
  });
  if (outgoing.ok) return outgoing.value;
  throw new Ending("unavailable", `${outgoing.error}; it was not sent`);
}

/** Leaves a message for these in the name of the sender that was given. Ending when it cannot be taken. */
export const send = (
  host: Host,
  outgoing: Pick<Outgoing, "message" | "eightBit">,
  wishes: Wishes & { readonly recipients: readonly string[] },
): Promise<void> => sendAs(host, outgoing, { ...wishes, sender: senderOf(wishes.sender, host) });

/** Leaves a message for these; nobody gets it twice. The sender is an address, or whatever a queue takes for one. Ending when it cannot be taken. */
export async function sendAs(
  host: Host,
  { message, eightBit }: Pick<Outgoing, "message" | "eightBit">,
  envelope: Wishes & { readonly sender: string; readonly recipients: readonly string[] },
): Promise<void> {
  const { sender, notify, ret, envid } = envelope;
  const recipients = [...new Set(envelope.recipients)];
  if (recipients.length === 0) throw new Ending("usage", "No recipients: name some, or use -t");
  if (recipients.length > limits.drop.recipients)
    throw new Ending("unavailable", `Too many recipients: at most ${limits.drop.recipients} for a message`);
  const head: DropHead = {
    sender,
    body: eightBit ? "8bitmime" : "7bit",
    ...([sender, ...recipients].some(beyondAscii) ? { utf8: true } : {}),
    ...(ret ? { ret } : {}),
    ...(envid ? { envid } : {}),
    recipients: recipients.map((address) => ({ address, ...(notify ? { notify } : {}) })),
  };
  if ((formatDrop(head, message)[1]?.length ?? 0) > limits.drop.head)
    throw new Ending("unavailable", "The recipients' addresses are too long together");
  await leave(host, head, message);
}

/** Recipients of the command line. Ending with the first that is none. */
export function namedRecipients(words: readonly string[], { domain }: Host): readonly string[] {
  return words.flatMap((word) => {
    const found = readRecipients(word, domain);
    if (found.ok && found.value.length > 0) return found.value;
    throw new Ending("noUser", `Cannot send to "${word}": ${found.ok ? "it is no address" : found.error}`);
  });
}
