// THE table of attacks: for each state of an SMTP session the input that could cost the server most. bench/hostile.ts and
// test/flows/hostile.test.ts hold many connections of each against a real server.

import type { Peer } from "./peer.ts";

/** Doors of the server under attack: 25, one that relays for everybody, TLS from the start, submission in clear. */
export type Door = "mx" | "lan" | "submissions" | "submission";

export interface Attack {
  readonly name: string;
  readonly door: Door;
  /** One connection; ends, or rejects with Gone, when the server has ended it. */
  readonly run: (peer: Peer) => Promise<unknown>;
}

/** The local part, and the domain, of recipients that are delivered here. */
export const KNOWN = "user0@a.test";

const BLOCK = 64 * 1024;

const filled = (text: string): Buffer => Buffer.from(text.repeat(Math.ceil(BLOCK / text.length)));

const LETTERS = filled("A");
const LINES = filled(`${"body ".repeat(14)}\r\n`);
/** Just below the longest command line. */
const LONG_NOOP = filled(`NOOP ${"x".repeat(2030)}\r\n`);
const KNOWN_RCPT = filled(`RCPT TO:<${KNOWN}>\r\n`);
/** Just below the longest header. */
const HEADER = `${"X-Field: value\r\n".repeat(999)}X-Last: ${"y".repeat(110_000)}\r\n`;

async function greeted(peer: Peer): Promise<void> {
  await peer.hear(/^220 .*\r\n/m);
  await peer.ask("EHLO attacker.test\r\n", /^250 .*\r\n/m);
}

async function mail(peer: Peer, parameters = ""): Promise<void> {
  await greeted(peer);
  await peer.ask(`MAIL FROM:<a@attacker.test>${parameters}\r\n`, /^250 2\.1\.0/m);
}

async function recipient(peer: Peer): Promise<void> {
  await mail(peer);
  await peer.ask(`RCPT TO:<${KNOWN}>\r\n`, /^250 2\.1\.5/m);
}

async function data(peer: Peer): Promise<void> {
  await recipient(peer);
  await peer.ask("DATA\r\n", /^354/m);
}

/** Addresses of 254 octets, the most there can be, all different. */
const longAddress = (at: number): string =>
  `${`r${at}.`.padEnd(64, "l")}@${`${"d".repeat(60)}.`.repeat(3)}testab`;

async function longRecipients(peer: Peer, parameters: string): Promise<void> {
  await mail(peer);
  for (let at = 0; at < 1000; at += 50) {
    const lines = Array.from(
      { length: 50 },
      (_, each) => `RCPT TO:<${longAddress(at + each)}>${parameters}\r\n`,
    );
    await peer.ask(`${lines.join("")}NOOP\r\n`, /^250 2\.0\.0/m);
  }
  await peer.hold();
}

async function halfHandshake(peer: Peer): Promise<never> {
  // the start of a record with a ClientHello of 16 KiB
  await peer.say(Buffer.from("16030140000100", "hex"));
  await peer.say(LETTERS.subarray(0, 16_000));
  return peer.hold();
}

async function startTls(peer: Peer): Promise<void> {
  await greeted(peer);
  await peer.ask("STARTTLS\r\n", /^220 2\.0\.0/m);
}

export const attacks: readonly Attack[] = [
  { name: "silent", door: "mx", run: (peer) => peer.hold() },
  { name: "endless line before EHLO", door: "mx", run: (peer) => peer.flood(LETTERS) },
  {
    name: "endless line after EHLO",
    door: "mx",
    run: async (peer) => {
      await greeted(peer);
      await peer.flood(LETTERS);
    },
  },
  {
    name: "long commands, replies never read",
    door: "mx",
    run: async (peer) => {
      peer.deaf();
      await peer.flood(LONG_NOOP);
    },
  },
  {
    name: "recipients piped without end, replies never read",
    door: "mx",
    run: async (peer) => {
      await mail(peer);
      peer.deaf();
      await peer.flood(KNOWN_RCPT);
    },
  },
  {
    name: "recipients piped without end, replies read",
    door: "mx",
    run: async (peer) => {
      await mail(peer);
      await peer.flood(KNOWN_RCPT);
    },
  },
  { name: "as many longest recipients as are taken", door: "lan", run: (peer) => longRecipients(peer, "") },
  {
    name: "the same, each with the longest ORCPT",
    door: "lan",
    run: (peer) => longRecipients(peer, ` ORCPT=rfc822;${"o".repeat(440)}`),
  },
  {
    name: "header without end",
    door: "mx",
    run: async (peer) => {
      await data(peer);
      await peer.flood(filled("X-Field: value\r\n"));
    },
  },
  {
    name: "longest header, then silence",
    door: "mx",
    run: async (peer) => {
      await data(peer);
      await peer.say(HEADER);
      await peer.hold();
    },
  },
  {
    name: "longest header in pieces, and a body",
    door: "mx",
    run: async (peer) => {
      await data(peer);
      for (let at = 0; at < HEADER.length; at += 1000) {
        await peer.say(HEADER.slice(at, at + 1000));
        await new Promise(setImmediate);
      }
      await peer.say(`\r\n${"x".repeat(31_000)}`);
      await peer.hold();
    },
  },
  {
    name: "DATA without end",
    door: "mx",
    run: async (peer) => {
      await data(peer);
      await peer.say("Subject: endless\r\n\r\n");
      await peer.flood(LINES);
    },
  },
  {
    name: "DATA of dots without end",
    door: "mx",
    run: async (peer) => {
      await data(peer);
      await peer.say("Subject: dots\r\n\r\n");
      await peer.flood(filled("..\r\n"));
    },
  },
  {
    name: "BDAT of 4 GB",
    door: "mx",
    run: async (peer) => {
      await recipient(peer);
      await peer.say("BDAT 4000000000\r\nSubject: huge\r\n\r\n");
      await peer.flood(LINES);
    },
  },
  {
    name: "BDAT of one octet without end",
    door: "mx",
    run: async (peer) => {
      await recipient(peer);
      await peer.flood(filled("BDAT 1\r\nx"));
    },
  },
  {
    name: "commands byte by byte",
    door: "mx",
    run: async (peer) => {
      await peer.hear(/^220/m);
      await peer.drip(`EHLO ${"a".repeat(2000)}`, 10);
      await peer.hold();
    },
  },
  {
    name: "header byte by byte",
    door: "mx",
    run: async (peer) => {
      await data(peer);
      await peer.drip("X-Field: value\r\n".repeat(200), 10);
      await peer.hold();
    },
  },
  {
    name: "lines that end with LF",
    door: "mx",
    run: (peer) => peer.flood(filled("\n")),
  },
  { name: "TLS first, silent", door: "submissions", run: (peer) => peer.hold() },
  { name: "half a TLS handshake", door: "submissions", run: halfHandshake },
  {
    name: "half a TLS handshake behind STARTTLS",
    door: "mx",
    run: async (peer) => {
      await startTls(peer);
      await halfHandshake(peer);
    },
  },
  {
    name: "garbage behind STARTTLS",
    door: "mx",
    run: async (peer) => {
      await startTls(peer);
      await peer.flood(LETTERS);
    },
  },
  {
    name: "commands in the packet of STARTTLS",
    door: "mx",
    run: async (peer) => {
      await greeted(peer);
      await peer.say("STARTTLS\r\n");
      await peer.flood(LONG_NOOP);
    },
  },
  {
    name: "TLS, then silence",
    door: "submissions",
    run: async (peer) => {
      await peer.secure();
      await peer.hold();
    },
  },
  {
    name: "TLS, then an endless line",
    door: "submissions",
    run: async (peer) => {
      await peer.secure();
      await peer.flood(LETTERS);
    },
  },
  {
    name: "TLS, replies never read",
    door: "mx",
    run: async (peer) => {
      await startTls(peer);
      await peer.secure();
      await peer.ask("EHLO attacker.test\r\n", /^250 .*\r\n/m);
      await peer.ask("MAIL FROM:<a@attacker.test>\r\n", /^250 2\.1\.0/m);
      peer.deaf();
      await peer.flood(KNOWN_RCPT);
    },
  },
];
