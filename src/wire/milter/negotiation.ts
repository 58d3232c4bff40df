// The first packet of a milter conversation, both ways: which version is spoken, what the filter may change, which steps are left out or
// not answered. A filter that wants more than we can give is not talked to: it would believe that its changes were made.

import { err, ok, type Result } from "#base/result.ts";
import { formatPacket, type Packet } from "./packet.ts";

/** Sendmail 8.14 and later, Postfix 2.6 and later. */
export const VERSION = 6;

/** The oldest filters there are; what they do not know they do not ask for. */
const OLDEST = 2;

/** SMFIF_*: what a filter does to a message. */
export const actions = {
  addHeader: 0x01,
  changeBody: 0x02,
  addRecipient: 0x04,
  deleteRecipient: 0x08,
  changeHeader: 0x10,
  quarantine: 0x20,
  changeSender: 0x40,
  addRecipientWithParameters: 0x80,
  chooseMacros: 0x100,
} as const;

/** SMFIP_*: steps that a filter leaves out, and steps that it does not answer. */
export const steps = {
  noConnect: 0x01,
  noHelo: 0x02,
  noMail: 0x04,
  noRcpt: 0x08,
  noBody: 0x10,
  noHeaders: 0x20,
  noEoh: 0x40,
  silentHeader: 0x80,
  noUnknown: 0x100,
  noData: 0x200,
  skip: 0x400,
  rejectedRcpt: 0x800,
  silentConnect: 0x1000,
  silentHelo: 0x2000,
  silentMail: 0x4000,
  silentRcpt: 0x8000,
  silentData: 0x1_0000,
  silentUnknown: 0x2_0000,
  silentEoh: 0x4_0000,
  silentBody: 0x8_0000,
  leadingSpace: 0x10_0000,
} as const;

const names: Readonly<Record<keyof typeof actions, string>> = {
  addHeader: "add header fields",
  changeBody: "change the body",
  addRecipient: "add recipients",
  deleteRecipient: "delete recipients",
  changeHeader: "change header fields",
  quarantine: "quarantine messages",
  changeSender: "change the sender",
  addRecipientWithParameters: "add recipients",
  chooseMacros: "choose its macros",
};

/** The message streams to the queue while it is looked at: fields can still be put in front of it, and it can be refused. */
const GIVEN = actions.addHeader | actions.quarantine;

/** Rejected recipients are not among those of a message; all else that version 6 knows can be left out. */
const OFFERED = Object.values(steps).reduce((sum, bit) => sum | bit, 0) & ~steps.rejectedRcpt;

export interface Negotiated {
  readonly version: number;
  /** What the filter may do. */
  readonly actions: number;
  readonly steps: number;
}

/** What we offer. */
export function formatOffer(): Buffer {
  const data = Buffer.alloc(12);
  data.writeUInt32BE(VERSION, 0);
  data.writeUInt32BE(GIVEN, 4);
  data.writeUInt32BE(OFFERED, 8);
  return formatPacket("O", data);
}

/** The filter's answer to the offer, or one sentence that says why it cannot be talked to. */
export function parseNegotiation({ kind, data }: Packet): Result<Negotiated> {
  if (kind !== "O" || data.length < 12) return err("does not negotiate as milters do");
  const version = data.readUInt32BE(0);
  if (version < OLDEST || version > VERSION) return err(`speaks version ${version} of the milter protocol`);
  const wanted = data.readUInt32BE(4);
  const tooMuch = Object.entries(actions).filter(([, bit]) => (wanted & ~GIVEN & bit) !== 0);
  if (tooMuch.length > 0) {
    const wishes = new Set(tooMuch.map(([name]) => names[name as keyof typeof actions]));
    return err(`wants to ${[...wishes].join(", ")}, which we cannot do`);
  }
  if ((wanted & ~GIVEN) !== 0) return err(`wants to do what nobody knows (0x${wanted.toString(16)})`);
  const chosen = data.readUInt32BE(8);
  // large packets (SMFIP_MDS_*) are an answer to an offer that we do not make
  const strange = (chosen & ~OFFERED) >>> 0;
  if (strange !== 0) return err(`wants steps that were not offered (0x${strange.toString(16)})`);
  return ok({ version, actions: wanted, steps: chosen });
}
