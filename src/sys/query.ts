// One DNS question without c-ares, which asks only for names that a host could have. Names in the DNS may hold any character, and SPF
// makes some of local parts (`exists:%{l}._spf.example.org`, asked for "bounce+ann=example.net").

import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import net from "node:net";
import type { Packet, Answer as Resource } from "dns-packet";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";

export interface QueryOptions {
  /** As node:dns gives them: "192.0.2.1", "192.0.2.1:53", "2001:db8::1", "[2001:db8::1]:53". */
  readonly servers: readonly string[];
  readonly clock: Clock;
  /** For each try. */
  readonly timeout: number;
  /** Rounds over the servers. */
  readonly attempts: number;
}

export type QueryType = "A" | "AAAA" | "CNAME" | "MX" | "TLSA" | "TXT";

export interface QueryResult {
  /** None is an empty list. */
  readonly records: readonly Resource[];
  /** The server says that all of the answer is authentic (RFC 4035 §3.2.3); worth as much as the server and the way to it. */
  readonly authentic: boolean;
  /** The name that all CNAMEs lead to, in lower case. */
  readonly owner: string;
}

/** The records of a type that a server has for a name, those of CNAMEs followed. Throws when no server says. */
export async function query(type: QueryType, name: string, options: QueryOptions): Promise<QueryResult> {
  const { encode, decode } = await import("dns-packet");
  let last: unknown = new Trouble("ask the DNS", "no DNS server is known");
  for (let round = 0; round < options.attempts; round++) {
    for (const server of options.servers.slice(0, limits.dns.servers)) {
      const id = randomInt(0x1_0000);
      const question = encode({ type: "query", id, flags: RECURSE | AUTHENTIC, questions: [{ type, name }] });
      const read = (bytes: Buffer) => matching(bytes, decode, { id, type, name });
      try {
        return recordsOf(await exchange(question, read, hostAndPort(server), options), type, name);
      } catch (thrown) {
        last = thrown;
      }
    }
  }
  throw Trouble.from("ask the DNS", last);
}

const RECURSE = 0x0100;
/** In a question: say whether the answer is authentic (RFC 6840 §5.7). */
const AUTHENTIC = 0x0020;
const TRUNCATED = 0x0200;
const RCODE = 0x000f;
const NXDOMAIN = 3;
const LINKS = 16;

interface Target {
  readonly host: string;
  readonly port: number;
}

function hostAndPort(server: string): Target {
  const [, host = server, port = "53"] =
    /^\[(.*)\]:(\d+)$/.exec(server) ?? /^([\d.]+):(\d+)$/.exec(server) ?? [];
  return { host, port: Number(port) };
}

interface Asked {
  readonly id: number;
  readonly type: string;
  readonly name: string;
}

/** The packet, when it answers the question; anything else is nobody's answer. */
function matching(bytes: Buffer, decode: (bytes: Buffer) => Packet, asked: Asked): Packet | undefined {
  try {
    const packet = decode(bytes);
    const [question] = packet.questions;
    const same = question?.type === asked.type && question.name.toLowerCase() === asked.name.toLowerCase();
    return same && packet.id === asked.id && packet.type === "response" ? packet : undefined;
  } catch {
    // garbage; perhaps somebody else's, so the answer may still come
    return undefined;
  }
}

function recordsOf({ flags, answers }: Packet, type: string, name: string): QueryResult {
  const rcode = flags & RCODE;
  const authentic = (flags & AUTHENTIC) !== 0;
  if (rcode !== 0 && rcode !== NXDOMAIN)
    throw new Trouble("ask the DNS", `the server answered with code ${rcode}`);
  let owner = name.toLowerCase();
  for (let links = 0; links < LINKS; links++) {
    const here = answers.filter((answer) => answer.name.toLowerCase() === owner);
    const alias = type === "CNAME" ? undefined : here.find((answer) => answer.type === "CNAME");
    if (!alias) return { records: here.filter((answer) => answer.type === type), authentic, owner };
    owner = String(alias.data).toLowerCase();
  }
  throw new Trouble("ask the DNS", "too many aliases");
}

type Read = (bytes: Buffer) => Packet | undefined;

async function exchange(
  question: Buffer,
  read: Read,
  target: Target,
  { clock, timeout }: QueryOptions,
): Promise<Packet> {
  const late = Trouble.timeout("ask the DNS", timeout);
  const packet = await bounded(clock, timeout, late, (done, failed) =>
    byUdp(question, target, { read, done, failed }),
  );
  if ((packet.flags & TRUNCATED) === 0) return packet;
  return bounded(clock, timeout, late, (done, failed) => byTcp(question, target, { read, done, failed }));
}

/** Runs `start`, which returns how to end it, until it is done, has failed, or time is over. */
function bounded(
  clock: Clock,
  timeout: number,
  late: Trouble,
  start: (done: (packet: Packet) => void, failed: (thrown: unknown) => void) => () => void,
): Promise<Packet> {
  const { promise, resolve, reject } = Promise.withResolvers<Packet>();
  const stop = start(resolve, reject);
  const timer = clock.after(timeout, () => reject(late));
  return promise.finally(() => {
    timer.cancel();
    stop();
  });
}

interface Handlers {
  readonly read: Read;
  readonly done: (packet: Packet) => void;
  readonly failed: (thrown: unknown) => void;
}

/** A socket of its own for each question: the port is as hard to guess as the id. */
function byUdp(question: Buffer, { host, port }: Target, { read, done, failed }: Handlers): () => void {
  const socket = createSocket(net.isIPv6(host) ? "udp6" : "udp4");
  socket.on("error", failed);
  socket.on("message", (bytes) => {
    const packet = read(bytes);
    if (packet) done(packet);
  });
  // connected: only the server's packets come in, and a closed port is an error
  socket.on("connect", () => socket.send(question));
  try {
    socket.connect(port, host);
  } catch (thrown) {
    failed(thrown);
  }
  return () => socket.close();
}

/** RFC 1035 §4.2.2: two bytes of length before each message. */
function byTcp(question: Buffer, { host, port }: Target, { read, done, failed }: Handlers): () => void {
  const socket = net.connect({ host, port });
  const length = Buffer.alloc(2);
  length.writeUInt16BE(question.length);
  socket.write(Buffer.concat([length, question]));
  let kept: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]);
    const end = kept.length < 2 ? Number.POSITIVE_INFINITY : 2 + kept.readUInt16BE(0);
    if (kept.length < end) return;
    const packet = read(kept.subarray(2, end));
    if (packet) done(packet);
    else failed(new Trouble("ask the DNS", "the server answered with garbage"));
  });
  socket.on("error", failed);
  socket.on("close", () => failed(new Trouble("ask the DNS", "the server hung up")));
  return () => socket.destroy();
}
