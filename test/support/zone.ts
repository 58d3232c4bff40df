// A DNS server on loopback, UDP and TCP, that answers from data: the resolver is tested against it, and everything that resolves.

import { createSocket } from "node:dgram";
import net, { type AddressInfo } from "node:net";
import { decode, encode, type Packet } from "dns-packet";

export interface Records {
  readonly A?: readonly string[];
  readonly AAAA?: readonly string[];
  /** `preference exchange`; "0 ." is the null MX. */
  readonly MX?: readonly string[];
  /** A record of several strings is a list. */
  readonly TXT?: readonly (string | readonly string[])[];
  readonly PTR?: readonly string[];
  /** As in zone files: "3 1 1 5f4d…". */
  readonly TLSA?: readonly string[];
  readonly CNAME?: string;
  readonly ttl?: number;
  /** Answers that lead over secure names only have AD set. */
  readonly secure?: true;
}

/** By lower-case name; a name that is not here does not exist. "silent" never answers. */
export type Zones = Readonly<Record<string, Records | "servfail" | "refused" | "silent" | "garbage">>;

export interface Zone {
  /** "127.0.0.1:port" */
  readonly server: string;
  /** "TYPE name" of each question, in order; those by TCP begin with "tcp ". */
  readonly asked: readonly string[];
  /** Other data from now on. */
  replace(zones: Zones): void;
  close(): Promise<void>;
}

const RCODES = { servfail: 2, refused: 5 } as const;
const NXDOMAIN = 3;
/** QR, RD and RA set. */
const ANSWER = 0x8180;
const AUTHENTIC = 0x0020;
const TRUNCATED = 0x0200;
const UDP_MAX = 512;

function dataOf(type: string, text: string | readonly string[]): unknown {
  if (typeof text !== "string" || type === "TXT") return text;
  if (type === "TLSA") {
    const [usage, selector, matchingType, hex = ""] = text.split(" ");
    const numbers = { usage: Number(usage), selector: Number(selector), matchingType: Number(matchingType) };
    return { ...numbers, certificate: Buffer.from(hex, "hex") };
  }
  if (type !== "MX") return text;
  const [preference, exchange = ""] = text.split(" ");
  return { preference: Number(preference), exchange: exchange === "." ? "" : exchange };
}

interface Found {
  readonly rcode: number;
  readonly authentic?: boolean;
  readonly answers: readonly object[];
}

function recordsOf(here: Records, type: string): readonly string[] {
  const own = (here as Readonly<Record<string, readonly string[] | string | undefined>>)[type] ?? [];
  return typeof own === "string" ? [own] : own;
}

function find(zones: Zones, type: string, wanted: string): Found | "silent" | "garbage" {
  const answers: object[] = [];
  let name = wanted.toLowerCase();
  let authentic = true;
  for (let links = 0; links < 16; links++) {
    const here = zones[name];
    if (here === undefined) return { rcode: NXDOMAIN, answers };
    if (here === "silent" || here === "garbage") return here;
    if (typeof here === "string") return { rcode: RCODES[here], answers: [] };
    const ttl = here.ttl ?? 300;
    authentic &&= here.secure === true;
    if (here.CNAME === undefined || type === "CNAME") {
      const records = recordsOf(here, type);
      answers.push(...records.map((record) => ({ name, type, ttl, data: dataOf(type, record) })));
      return { rcode: 0, authentic, answers };
    }
    answers.push({ name, type: "CNAME", ttl, data: here.CNAME });
    name = here.CNAME.toLowerCase();
  }
  // a resolver that gives up on a chain says so
  return { rcode: RCODES.servfail, answers: [] };
}

export async function startZone(initial: Zones): Promise<Zone> {
  let zones = initial;
  const asked: string[] = [];

  const respond = (bytes: Buffer, max: number): Buffer | undefined => {
    let query: Packet;
    try {
      query = decode(bytes);
    } catch {
      // not a question: no answer
      return undefined;
    }
    const [question] = query.questions;
    if (!question) return undefined;
    asked.push(`${max > UDP_MAX ? "tcp " : ""}${question.type} ${question.name}`);
    const found = find(zones, question.type, question.name);
    if (found === "silent") return undefined;
    if (found === "garbage") return Buffer.concat([bytes.subarray(0, 2), Buffer.alloc(30, 0xff)]);
    const head = { type: "response", id: query.id, questions: query.questions };
    const whole = encode({
      ...head,
      flags: ANSWER | found.rcode | (found.authentic ? AUTHENTIC : 0),
      answers: found.answers,
    });
    return whole.length > max ? encode({ ...head, flags: ANSWER | TRUNCATED }) : whole;
  };

  const udp = createSocket("udp4");
  udp.on("message", (bytes, from) => {
    const response = respond(bytes, UDP_MAX);
    if (response) udp.send(response, from.port, from.address);
  });
  const sockets = new Set<net.Socket>();
  const tcp = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    let kept: Buffer = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      kept = Buffer.concat([kept, chunk]);
      while (kept.length >= 2 && kept.length >= 2 + kept.readUInt16BE(0)) {
        const end = 2 + kept.readUInt16BE(0);
        const response = respond(kept.subarray(2, end), 65_535);
        kept = kept.subarray(end);
        if (!response) continue;
        const length = Buffer.alloc(2);
        length.writeUInt16BE(response.length);
        socket.write(Buffer.concat([length, response]));
      }
    });
  });
  const port = await bindBoth(udp, tcp);
  return {
    server: `127.0.0.1:${port}`,
    asked,
    replace: (next) => {
      zones = next;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => udp.close(() => resolve()));
      await new Promise<void>((resolve) => tcp.close(() => resolve()));
    },
  };
}

/** One port for both; another try when somebody else has it. */
async function bindBoth(udp: ReturnType<typeof createSocket>, tcp: net.Server): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    tcp.once("error", reject);
    tcp.listen(0, "127.0.0.1", resolve);
  });
  const { port } = tcp.address() as AddressInfo;
  await new Promise<void>((resolve, reject) => {
    udp.once("error", reject);
    udp.bind(port, "127.0.0.1", resolve);
  });
  return port;
}
