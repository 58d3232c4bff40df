// kenro qmqpc, and the name qmail-qmqpc: hands a message to a QMQP server by the interface of qmail-queue: the message on descriptor 0,
// the envelope on descriptor 1, the outcome as exit code (docs/qmtp.md). It prints nothing but why it failed, on descriptor 2.

import fs from "node:fs";
import { limits } from "#base/limits.ts";
import { codeOf, messageOf, Trouble } from "#base/problem.ts";
import type { Conn } from "#sys/conn.ts";
import { connect } from "#sys/connect.ts";
import { formatNetstring, LengthReader } from "#wire/netstring.ts";
import { parseQueueEnvelope, type QueueEnvelope, type QueueExit, queueExits } from "#wire/qmailqueue.ts";
import { verdictOf } from "#wire/qmtp.ts";
import { complain } from "../call.ts";
import { findServers, type Server } from "../qmqp/servers.ts";

/** Ends with a code. */
class Ending extends Error {
  readonly code: QueueExit;

  constructor(code: Exclude<keyof typeof queueExits, "done">, sentence: string) {
    super(sentence);
    this.code = queueExits[code];
  }
}

/** Runs with the words behind the name; never throws. */
export async function qmqpc(name: string, words: readonly string[]): Promise<QueueExit> {
  try {
    await run(words);
    return queueExits.done;
  } catch (thrown) {
    complain(`${name}: ${messageOf(thrown)}`);
    return thrown instanceof Ending ? thrown.code : queueExits.bug;
  }
}

async function run(words: readonly string[]): Promise<void> {
  const servers = serversOf(words);
  const message = readDescriptor(0, "message");
  const envelope = parseQueueEnvelope(readDescriptor(1, "envelope"));
  if (!envelope.ok) throw new Ending("format", envelope.error);
  const conn = await reach(servers);
  try {
    await hand(conn, queryOf(message, envelope.value));
  } finally {
    conn.destroy();
  }
}

function serversOf(words: readonly string[]): readonly Server[] {
  try {
    const servers = findServers(words, process.env["KENRO_QMQPSERVERS"]);
    if (servers.length > 0) return servers;
  } catch (thrown) {
    throw new Ending("config", `Cannot read the list of servers: ${messageOf(thrown)}`);
  }
  throw new Ending("config", "No servers: name their addresses, or write them into /etc/kenro/qmqpservers");
}

function readDescriptor(fd: number, what: string): Buffer {
  try {
    return fs.readFileSync(fd);
  } catch (thrown) {
    throw new Ending("read", `Cannot read the ${what} from descriptor ${fd}: ${messageOf(thrown)}`);
  }
}

function queryOf(message: Buffer, { sender, recipients }: QueueEnvelope): Buffer {
  const addresses = [sender, ...recipients].map((each) => formatNetstring(Buffer.from(each, "latin1")));
  return formatNetstring(formatNetstring(message), ...addresses);
}

/** A connection to the first server that takes one. */
async function reach(servers: readonly Server[]): Promise<Conn> {
  let last = new Ending("config", "No servers");
  for (const { address, port } of servers) {
    try {
      return await connect({ address, port, source: "", ms: limits.qmqpc.connect });
    } catch (thrown) {
      last = new Ending(
        codeOf(thrown) === "timeout" ? "connectTimeout" : "connectRefused",
        messageOf(thrown),
      );
    }
  }
  throw last;
}

/** Sends the query and heeds the answer. */
async function hand(conn: Conn, query: Buffer): Promise<void> {
  const answer = await ask(conn, query).catch((thrown: unknown) => {
    if (thrown instanceof Ending) throw thrown;
    throw new Ending("lost", `The connection broke: ${messageOf(Trouble.from("ask the server", thrown))}`);
  });
  switch (verdictOf(answer)) {
    case "K":
      return;
    case "D":
      throw new Ending("refused", answer.slice(1));
    default:
      throw new Ending("later", answer.slice(1));
  }
}

async function ask(conn: Conn, query: Buffer): Promise<string> {
  // the server may answer before it has read everything, and then reads no more
  const sending = conn.write(query);
  sending?.catch(() => {});
  let bytes = Buffer.alloc(0);
  for (;;) {
    const chunk = await conn.read(limits.qmqpc.io);
    if (chunk === undefined) throw new Ending("lost", "The server has hung up without an answer");
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length > limits.qmqpc.answer) throw new Ending("lost", "The server's answer has no end");
    const head = new LengthReader().feed(bytes, 0, limits.qmqpc.answer);
    if (head.kind === "flaw") throw new Ending("lost", "The server does not speak QMQP");
    if (head.kind === "length" && bytes.length >= head.end + head.length)
      return bytes.toString("latin1", head.end, head.end + head.length);
  }
}
