// The programs for .qmail files, with the exit codes and texts of qmail's: bouncesaying(1), condredirect(1), except(1), forward(1),
// preline(1), qreceipt(1).

import { spawn } from "node:child_process";
import fs from "node:fs";
import { codeOf, messageOf } from "#base/problem.ts";
import type { helperNames } from "#store/dotqmail/programs.ts";
import type { DropHead } from "#store/drop/file.ts";
import { systemReason } from "#sys/reason.ts";
import { quoteAddress } from "#wire/dotqmail/environment.ts";
import { beyondAscii } from "#wire/envelope.ts";
import { toWire } from "#wire/message/unix.ts";
import { prepared, send } from "../sendmail/deliver.ts";
import { findHost, hostDirectory, leave } from "../sendmail/host.ts";
import { Ending, sysexits } from "../sendmail/sysexits.ts";
import { noticeWanted } from "./receipt.ts";

export type HelperName = (typeof helperNames)[number];

/** Ends with a code, having said something. */
class Finish extends Error {
  readonly code: number;

  constructor(code: number, text: string) {
    super(text);
    this.code = code;
  }
}

/** Runs with the words behind the name; never throws. */
export async function helper(name: HelperName, words: readonly string[]): Promise<number> {
  try {
    return await helpers[name](words);
  } catch (thrown) {
    if (thrown instanceof Finish) {
      process.stderr.write(`${messageOf(thrown)}\n`);
      return thrown.code;
    }
    process.stderr.write(`${name}: fatal: ${messageOf(thrown)}\n`);
    // what no program may ever do is final, everything else may work later
    const final =
      thrown instanceof Ending &&
      [sysexits.unavailable, sysexits.data, sysexits.noUser].includes(thrown.code as 69);
    return final ? 100 : 111;
  }
}

const helpers: { readonly [N in HelperName]: (words: readonly string[]) => Promise<number> } = {
  bouncesaying: async ([text, ...command]) => {
    if (text === undefined)
      throw new Finish(100, "bouncesaying: usage: bouncesaying error [ program [ arg ... ] ]");
    if (command.length > 0 && !(await says("bouncesaying", command))) return 0;
    throw new Finish(100, text);
  },
  condredirect: async ([address, ...command]) => {
    if (address === undefined || command.length === 0)
      throw new Finish(100, "condredirect: usage: condredirect newaddress program [ arg ... ]");
    if (!(await says("condredirect", command))) return 0;
    const sender = variable("condredirect", "SENDER");
    const message = rewound("condredirect");
    await pass(message, { sender, trace: variable("condredirect", "DTLINE"), recipients: [address] });
    throw new Finish(99, `condredirect: qp ${process.pid}`);
  },
  except: async (command) => {
    if (command.length === 0) throw new Finish(100, "except: usage: except program [ arg ... ]");
    return (await says("except", command)) ? 100 : 0;
  },
  forward: async (recipients) => {
    const sender = variable("forward", "NEWSENDER");
    const trace = variable("forward", "DTLINE");
    await pass(readInput(), { sender, trace, recipients });
    throw new Finish(0, `forward: qp ${process.pid}`);
  },
  preline: async (words) => preline(words),
  qreceipt: async ([target]) => {
    if (target === undefined) throw new Finish(100, "qreceipt: usage: qreceipt deliveryaddress");
    const sender = process.env["SENDER"];
    if (sender === undefined) throw new Finish(100, "qreceipt: usage: qreceipt deliveryaddress");
    await receipt(target, sender);
    return 0;
  },
};

function variable(program: string, name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Finish(100, `${program}: fatal: ${name} not set`);
  return value;
}

/** Standard input from where it is. */
function readInput(): Buffer {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = Buffer.allocUnsafe(65_536);
    const length = readSome(chunk);
    if (length === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, length));
  }
}

function readSome(chunk: Buffer): number {
  for (;;) {
    try {
      return fs.readSync(0, chunk);
    } catch (thrown) {
      if (codeOf(thrown) === "EOF") return 0;
      if (codeOf(thrown) !== "EAGAIN") throw thrown;
      // a pipe that somebody else has made non-blocking
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

/** Standard input from its start, although a program may have read it. */
function rewound(program: string): Buffer {
  const chunks: Buffer[] = [];
  try {
    for (let at = 0; ; ) {
      const chunk = Buffer.allocUnsafe(65_536);
      const length = fs.readSync(0, chunk, 0, chunk.length, at);
      if (length === 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, length));
      at += length;
    }
  } catch (thrown) {
    throw new Finish(111, `${program}: fatal: unable to rewind: ${systemReason(thrown)}`);
  }
}

/** Runs a program that says yes (0) or no. It ends us with 111 when it cannot say. */
async function says(program: string, command: readonly string[]): Promise<boolean> {
  const code = await codeOfProgram(program, command, "inherit");
  if (code === 111) throw new Finish(111, `${program}: fatal: temporary child error`);
  return code === 0;
}

/** Errors of execve(2) that may be gone later. */
const SOON: ReadonlySet<string> = new Set([
  "EAGAIN",
  "ENOMEM",
  "EMFILE",
  "ENFILE",
  "EIO",
  "ETXTBSY",
  "ESTALE",
]);

/** The exit code of a program; 100 or 111 when it cannot be run. `feed`: what writes its standard input. */
function codeOfProgram(
  program: string,
  [file = "", ...words]: readonly string[],
  input: "inherit" | ((to: NodeJS.WritableStream) => void),
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, words, {
      stdio: [input === "inherit" ? "inherit" : "pipe", "inherit", "inherit"],
    });
    child.on("error", (thrown) => {
      if (input !== "inherit")
        process.stderr.write(`${program}: fatal: unable to run ${file}: ${systemReason(thrown)}\n`);
      resolve(SOON.has(codeOf(thrown) ?? "") ? 111 : 100);
    });
    child.on("exit", (code) => {
      if (code === null) reject(new Finish(111, `${program}: fatal: child crashed`));
      else resolve(code);
    });
    if (child.stdin && input !== "inherit") {
      child.stdin.on("error", () => {
        // it does not want to read all of it
      });
      input(child.stdin);
    }
  });
}

const PRELINE_USAGE = "preline: usage: preline cmd [ arg ... ]";

function preline(words: readonly string[]): Promise<number> {
  const lines = ["UFLINE", "RPLINE", "DTLINE"].map((name) => process.env[name]);
  const shown = new Map([
    ["f", true],
    ["r", true],
    ["d", true],
  ]);
  let at = 0;
  for (; /^-./.test(words[at] ?? ""); at++) {
    if (words[at] === "--") {
      at++;
      break;
    }
    for (const letter of words[at]?.slice(1) ?? "") {
      const which = letter.toLowerCase();
      if (!shown.has(which)) throw new Finish(100, PRELINE_USAGE);
      shown.set(which, letter !== which);
    }
  }
  const command = words.slice(at);
  if (lines.includes(undefined) || command.length === 0) throw new Finish(100, PRELINE_USAGE);
  const front = [...shown.values()].map((show, line) => (show ? (lines[line] ?? "") : "")).join("");
  return codeOfProgram("preline", command, (to) => {
    to.write(front);
    to.end(readInput());
  });
}

interface Passed {
  readonly sender: string;
  /** The line in front. */
  readonly trace: string;
  readonly recipients: readonly string[];
}

/** Leaves a message for the queue, as it is behind one more line. */
async function pass(message: Buffer, { sender, trace, recipients }: Passed): Promise<void> {
  const host = await findHost(hostDirectory(undefined));
  const whole = Buffer.concat([Buffer.from(trace), message]);
  const eightBit = whole.some((byte) => byte > 127);
  const complete = recipients.map((each) => (each.includes("@") ? each : `${each}@${host.domain}`));
  const head: DropHead = {
    // as it is: that of a list stands for one sender for each member
    sender,
    body: eightBit ? "8bitmime" : "7bit",
    ...([sender, ...complete].some(beyondAscii) ? { utf8: true } : {}),
    recipients: complete.map((address) => ({ address })),
  };
  await leave(host, head, toWire(whole));
}

/** Tells the sender, if he asked for it. */
async function receipt(target: string, sender: string): Promise<void> {
  const wanted = noticeWanted(readInput(), target);
  if (!wanted || sender === "" || sender === "#@[]") return;
  const host = await findHost(hostDirectory(undefined));
  const to = quoteAddress(sender);
  const text = `From: DELIVERY NOTICE SYSTEM <${to}>\nTo: <${to}>\nSubject: success notice\n
Hi! This is the qreceipt program. Your message was delivered to the
following address: ${target}. Thanks for asking.
${wanted.messageId === undefined ? "" : `Your ${wanted.messageId}\n`}`;
  await send(host, prepared(Buffer.from(text), host, {}), { sender: "", recipients: [sender] });
}
