// qmail's queue, message by message, into the drop directory: each once, however often it is read (docs/qmail.md). Nothing of it is changed.

import { hash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { limits } from "#base/limits.ts";
import { codeOf, messageOf } from "#base/problem.ts";
import type { DropHead } from "#store/drop/file.ts";
import { drop } from "#store/drop/places.ts";
import { writeDrop } from "#store/drop/write.ts";
import { beyondAscii } from "#wire/envelope.ts";
import { cleanText, toWire } from "#wire/message/unix.ts";
import { addressFromQmail, senderFromQmail } from "#wire/qmail/address.ts";
import { parseInfo, parseTodo, parseWaiting } from "#wire/qmail/messages.ts";
import type { Finding, Hosts } from "./findings.ts";

/** Names of messages that were taken over, below the data directory. */
const TAKEN = "import/qmail";

export interface Mover {
  /** qmail's queue/ */
  readonly queue: string;
  readonly hosts: Hosts;
  readonly maxSize: number;
  readonly dryRun: boolean;
}

/** Takes over what waits; a finding for each message. The working directory is the data directory, and no server runs in it. */
export async function moveQueue(mover: Mover): Promise<readonly Finding[]> {
  const taken = readTaken();
  const findings: Finding[] = [];
  for (const { number, at } of messagesOf(mover.queue)) {
    const source = `queue/mess/${at}`;
    const finding = await moveOne(mover, number, at, taken).catch(
      (thrown: unknown): Finding => ({
        source,
        outcome: "not",
        text: `cannot be read: ${messageOf(thrown)}`,
      }),
    );
    findings.push({ ...finding, source });
  }
  return findings;
}

/** Whether qmail-send runs: it holds one end of the pipe that wakes it. */
export function isSending(queue: string): boolean {
  try {
    const { O_WRONLY, O_NONBLOCK } = fs.constants;
    fs.closeSync(fs.openSync(path.join(queue, "lock/trigger"), O_WRONLY | O_NONBLOCK));
    return true;
  } catch (thrown) {
    if (codeOf(thrown) === "ENXIO" || codeOf(thrown) === "ENOENT") return false;
    throw thrown;
  }
}

interface Place {
  readonly number: string;
  /** "7/1234" */
  readonly at: string;
}

/** Every message by its number, the oldest first as far as numbers tell. */
function messagesOf(queue: string): readonly Place[] {
  const numbers = (directory: string) =>
    namesIn(path.join(queue, directory)).filter((name) => /^\d+$/.test(name));
  return numbers("mess")
    .flatMap((split) => numbers(`mess/${split}`).map((number) => ({ number, at: `${split}/${number}` })))
    .sort((a, b) => Number(a.number) - Number(b.number));
}

function namesIn(directory: string): readonly string[] {
  try {
    return fs.readdirSync(directory);
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return [];
    throw thrown;
  }
}

type Moved = Omit<Finding, "source">;

async function moveOne(mover: Mover, number: string, at: string, taken: Set<string>): Promise<Finding> {
  const { queue, hosts, maxSize, dryRun } = mover;
  const source = `queue/mess/${at}`;
  const said = (outcome: Finding["outcome"], text: string): Finding => ({ source, outcome, text });
  const envelope = envelopeOf(queue, number, at, hosts);
  if ("text" in envelope) return { ...envelope, source };
  const { sender, recipients, written } = envelope;
  const bytes = readQuietly(path.join(queue, "mess", at));
  if (!bytes) return said("not", "its message is not there");
  const name = hash("sha256", `${fs.realpathSync(queue)} ${number} ${written} ${bytes.length}`).slice(0, 32);
  const shown = `from <${sender}> for ${recipients.length} recipient${recipients.length === 1 ? "" : "s"}, ${bytes.length} bytes`;
  if (taken.has(name) || fs.existsSync(path.join(drop.fresh, name))) {
    if (!dryRun) note(taken, name);
    return said("same", `${shown}: was taken over before`);
  }
  const message = toWire(Buffer.from(cleanText(bytes), "latin1"));
  if (message.length > maxSize) return said("not", `${shown}: larger than smtp.max_size`);
  if (recipients.length > limits.drop.recipients)
    return said("not", `${shown}: more than ${limits.drop.recipients}`);
  if (dryRun) return said("change", shown);
  const head: DropHead = {
    sender,
    body: message.some((byte) => byte > 127) ? "8bitmime" : "7bit",
    ...([sender, ...recipients].some(beyondAscii) ? { utf8: true } : {}),
    recipients: recipients.map((address) => ({ address })),
  };
  await writeDrop(".", head, message, { name });
  note(taken, name);
  return said("change", shown);
}

interface Envelope {
  readonly sender: string;
  readonly recipients: readonly string[];
  /** When, ms since 1970: numbers are used again. */
  readonly written: number;
}

function envelopeOf(queue: string, number: string, at: string, hosts: Hosts): Envelope | Moved {
  const read = rawEnvelope(queue, number, at, hosts);
  if ("text" in read) return read;
  const sender = senderFromQmail(read.sender, hosts.bare);
  if (sender === undefined) return { outcome: "not", text: `its sender is no address: ${read.sender}` };
  const recipients = read.recipients.map((each) => addressFromQmail(each, hosts.bare));
  const wrong = recipients.indexOf(undefined);
  if (wrong >= 0) return { outcome: "not", text: `a recipient is no address: ${read.recipients[wrong]}` };
  return { sender, recipients: recipients as readonly string[], written: read.written };
}

function rawEnvelope(queue: string, number: string, at: string, hosts: Hosts): Envelope | Moved {
  const file = (directory: string, name: string) => path.join(queue, directory, name);
  const todo = readQuietly(file("todo", number));
  if (todo) {
    const found = parseTodo(todo);
    if (!found.ok) return { outcome: "not", text: `todo/${number}: ${found.error}` };
    return { ...found.value, written: fs.statSync(file("todo", number)).mtimeMs };
  }
  const info = readQuietly(file("info", at));
  if (!info) return { outcome: "note", text: "has no envelope: whoever wrote it did not end" };
  const sender = parseInfo(info);
  const local = parseWaiting(readQuietly(file("local", at)) ?? Buffer.alloc(0));
  const remote = parseWaiting(readQuietly(file("remote", at)) ?? Buffer.alloc(0));
  if (!sender.ok) return { outcome: "not", text: `info/${at}: ${sender.error}` };
  if (!local.ok) return { outcome: "not", text: `local/${at}: ${local.error}` };
  if (!remote.ok) return { outcome: "not", text: `remote/${at}: ${remote.error}` };
  const recipients = [...local.value.map((each) => meant(each, hosts)), ...remote.value];
  const failures = fs.existsSync(file("bounce", number));
  if (recipients.length === 0)
    return {
      outcome: failures ? "not" : "note",
      text: failures ? `is done, but its sender was not told yet: see bounce/${number}` : "is done",
    };
  return { sender: sender.value, recipients, written: fs.statSync(file("info", at)).mtimeMs };
}

/** The address that was written to: qmail-send has put the prepend of a virtual domain in front of it. */
function meant(address: string, { virtual }: Hosts): string {
  const at = address.lastIndexOf("@");
  const domain = address.slice(at + 1).toLowerCase();
  const suffixes = [...domain.matchAll(/\./g)].map(({ index }) => domain.slice(index));
  const of = (key: string) => virtual.find((pair) => pair.key === key);
  const whole = virtual.find(
    ({ key, value }) => key.includes("@") && `${value}-${key}`.toLowerCase() === address.toLowerCase(),
  );
  if (whole) return whole.key;
  const found = [domain, ...suffixes, ""].map(of).find((pair) => pair !== undefined);
  if (!found || found.value === "" || !address.startsWith(`${found.value}-`)) return address;
  return address.slice(found.value.length + 1);
}

/** The bytes of a file whose time of last access stays, because qmail-clean goes by that; undefined when it is not there. */
function readQuietly(file: string): Buffer | undefined {
  const { O_RDONLY, O_NOATIME } = fs.constants;
  for (const flags of [O_RDONLY | (O_NOATIME ?? 0), O_RDONLY]) {
    try {
      const fd = fs.openSync(file, flags);
      try {
        return fs.readFileSync(fd);
      } finally {
        fs.closeSync(fd);
      }
    } catch (thrown) {
      if (codeOf(thrown) === "ENOENT") return undefined;
      // only the owner, and root, may read without a trace
      if (codeOf(thrown) !== "EPERM" || flags === O_RDONLY) throw thrown;
    }
  }
  return undefined;
}

function readTaken(): Set<string> {
  try {
    return new Set(fs.readFileSync(TAKEN, "utf8").split("\n"));
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return new Set();
    throw thrown;
  }
}

/** Behind the message: between them it is known by its name in the drop directory, from which nobody takes while no server runs. */
function note(taken: Set<string>, name: string): void {
  if (taken.has(name)) return;
  fs.mkdirSync(path.dirname(TAKEN), { recursive: true, mode: 0o700 });
  fs.appendFileSync(TAKEN, `${name}\n`, { mode: 0o600, flush: true });
  taken.add(name);
}
