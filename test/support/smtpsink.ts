// A mail server on loopback that follows a script: what tests of the way out talk to. Takes everything unless told otherwise.

import net, { type AddressInfo } from "node:net";
import tls from "node:tls";
import { selfSigned } from "#wire/x509.ts";

/** What it does at one point: says this (CRLF is added to each line), or one of the ways of bad servers. */
export type Act =
  | string
  | readonly string[]
  | { readonly raw: string | Buffer; readonly hangUp?: true }
  | { readonly say: string; readonly hangUp: true }
  | "close"
  | "reset"
  | "silent";

/** A script's line: an act, or what to do for the n-th time (from 0) a verb is heard, with its whole line. */
export type Step = Act | ((line: string, n: number) => Act | undefined);

export interface Script {
  readonly greeting?: Step;
  readonly EHLO?: Step;
  readonly HELO?: Step;
  readonly STARTTLS?: Step;
  readonly MAIL?: Step;
  readonly RCPT?: Step;
  readonly DATA?: Step;
  /** Answer to a chunk, behind its octets. */
  readonly BDAT?: Step;
  /** Answer to the end of a message. */
  readonly end?: Step;
  readonly RSET?: Step;
  readonly LHLO?: Step;
  readonly AUTH?: Step;
  /** Answer to a line that is no command, such as what follows 334. */
  readonly other?: Step;
  /** Does this as soon as the first bytes of a message are there. */
  readonly duringBody?: Act;
  /** After 220 to STARTTLS: the handshake is answered with noise. */
  readonly tls?: "break";
  /** PEM texts that it shows in TLS, in place of some. */
  readonly keys?: { readonly cert: string; readonly key: string };
  /** Listens on this address of 127.0.0.0/8 and this port. */
  readonly address?: string;
  readonly port?: number;
  /** Listens on a Unix socket instead. */
  readonly path?: string;
}

export interface SinkMessage {
  readonly mail: string;
  readonly rcpts: readonly string[];
  /** As sent, without the end, dots still doubled. */
  readonly raw: string;
  readonly tls: boolean;
}

export interface Sink {
  readonly address: string;
  readonly port: number;
  /** Lines of all connections, and "connect", "tls" and "closed". */
  readonly heard: readonly string[];
  /** The chunks in which commands came: one per pipelined group. */
  readonly groups: readonly string[];
  readonly messages: readonly SinkMessage[];
  readonly connections: number;
  /** Addresses that they came from. */
  readonly clients: readonly string[];
  /** Another script from now on. */
  script(script: Script): void;
  /** Ends all connections and listens no more. */
  stop(): Promise<void>;
}

export const EHLO = [
  "250-sink.example",
  "250-PIPELINING",
  "250-8BITMIME",
  "250-SIZE 1000000",
  "250 ENHANCEDSTATUSCODES",
];
export const EHLO_TLS = ["250-sink.example", "250-STARTTLS", "250-8BITMIME", "250 PIPELINING"];
export const EHLO_OLD = ["250 sink.example"];

const usual = {
  greeting: "220 sink.example ESMTP",
  EHLO,
  HELO: "250 sink.example",
  STARTTLS: "220 go on",
  MAIL: "250 2.1.0 ok",
  RCPT: "250 2.1.5 ok",
  DATA: "354 go on",
  BDAT: "250 2.0.0 taken",
  end: "250 2.0.0 taken",
  RSET: "250 ok",
  LHLO: EHLO,
  AUTH: "235 2.7.0 welcome",
  other: "500 what?",
} as const;

let context: tls.SecureContext | undefined;

function secureContext(keys: Script["keys"]): tls.SecureContext {
  if (keys) return tls.createSecureContext(keys);
  const made = () => {
    const now = Date.now();
    const { certificate, key } = selfSigned({
      names: ["sink.example"],
      addresses: [],
      from: now - 86_400_000,
      until: now + 86_400_000,
    });
    return tls.createSecureContext({ cert: certificate, key });
  };
  context ??= made();
  return context;
}

export async function startSink(first: Script = {}): Promise<Sink> {
  const state: State = { script: first, heard: [], groups: [], messages: [], counts: new Map() };
  const sockets = new Set<net.Socket>();
  const clients: string[] = [];
  let connections = 0;
  const server = net.createServer((socket) => {
    connections++;
    clients.push(socket.remoteAddress ?? "");
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    new Session(state, socket).start();
  });
  const address = first.address ?? "127.0.0.1";
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    if (first.path) server.listen(first.path, resolve);
    else server.listen(first.port ?? 0, address, resolve);
  });
  return {
    address,
    port: first.path ? 0 : (server.address() as AddressInfo).port,
    heard: state.heard,
    groups: state.groups,
    messages: state.messages,
    clients,
    get connections() {
      return connections;
    },
    script: (script) => {
      state.script = script;
      state.counts.clear();
    },
    stop: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

interface State {
  script: Script;
  readonly heard: string[];
  readonly groups: string[];
  readonly messages: SinkMessage[];
  readonly counts: Map<string, number>;
}

type Verb = keyof typeof usual;

class Session {
  readonly #state: State;
  #socket: net.Socket;
  #kept = "";
  #inBody = false;
  #bodySeen = false;
  /** The line of a BDAT whose octets are on their way. */
  #chunk: string | undefined;
  #chunks = "";
  #mail = "";
  #rcpts: string[] = [];
  #silent = false;

  constructor(state: State, socket: net.Socket) {
    this.#state = state;
    this.#socket = socket;
  }

  start(): void {
    this.#state.heard.push("connect");
    this.#attach();
    this.#do(this.#step("greeting", ""));
  }

  #attach(): void {
    const socket = this.#socket;
    socket.on("error", () => {
      // clients of tests leave in every way
    });
    socket.on("close", () => this.#state.heard.push("closed"));
    socket.on("data", (chunk: Buffer) => {
      const text = chunk.toString("latin1");
      if (!this.#inBody) this.#state.groups.push(text);
      this.#kept += text;
      this.#work();
    });
  }

  #work(): void {
    while (!this.#silent && !this.#socket.destroyed) {
      const taken = this.#takeContent();
      if (taken === "more") return;
      if (taken === "some") continue;
      const end = this.#kept.indexOf("\r\n");
      if (end < 0) return;
      const line = this.#kept.slice(0, end);
      this.#kept = this.#kept.slice(end + 2);
      if (this.#command(line)) return;
    }
  }

  /** True when what follows is no command for us. */
  #command(line: string): boolean {
    this.#state.heard.push(line);
    const verb = line.split(" ")[0]?.toUpperCase() ?? "";
    if (verb === "QUIT") {
      this.#socket.end("221 bye\r\n");
      return true;
    }
    if (!Object.hasOwn(usual, verb)) {
      this.#do(this.#step("other", line));
      return false;
    }
    if (verb === "BDAT") {
      this.#chunk = line;
      return false;
    }
    const act = this.#step(verb as Verb, line);
    this.#do(act);
    const good = Array.isArray(act) || (typeof act === "string" && /^[23]/.test(act));
    if (!good) return false;
    if (verb === "MAIL") this.#begin(line);
    if (verb === "RCPT") this.#rcpts.push(line);
    if (verb === "DATA" && typeof act === "string" && act.startsWith("354")) this.#inBody = true;
    if (verb === "STARTTLS") this.#secure();
    return verb === "STARTTLS";
  }

  #begin(line: string): void {
    this.#mail = line;
    this.#rcpts = [];
  }

  /** Something of a message, when one is on its way. */
  #takeContent(): "some" | "more" | undefined {
    if (!this.#inBody && this.#chunk === undefined) return undefined;
    const whole = this.#chunk === undefined ? this.#takeBody() : this.#takeChunk(this.#chunk);
    return whole ? "some" : "more";
  }

  #takeChunk(line: string): boolean {
    const [, octets, last] = line.split(" ");
    const size = Number(octets);
    if (this.#kept.length < size) return false;
    this.#chunks += this.#kept.slice(0, size);
    this.#kept = this.#kept.slice(size);
    this.#chunk = undefined;
    if (last === "LAST") this.#taken(this.#chunks);
    if (last === "LAST") this.#chunks = "";
    this.#do(this.#step("BDAT", line));
    return true;
  }

  #taken(raw: string): void {
    const tlsNow = this.#socket instanceof tls.TLSSocket;
    this.#state.messages.push({ mail: this.#mail, rcpts: this.#rcpts, raw, tls: tlsNow });
  }

  #takeBody(): boolean {
    const { duringBody } = this.#state.script;
    if (duringBody && this.#kept.length > 0 && !this.#bodySeen) {
      this.#bodySeen = true;
      this.#do(duringBody);
    }
    const whole = `\r\n${this.#kept}`;
    const end = whole.indexOf("\r\n.\r\n");
    if (end < 0) return false;
    const raw = whole.slice(2, end + 2);
    this.#kept = whole.slice(end + 5);
    this.#inBody = false;
    this.#taken(raw);
    this.#do(this.#step("end", ""));
    return true;
  }

  #secure(): void {
    const { tls: trick, keys } = this.#state.script;
    const plain = this.#socket;
    plain.removeAllListeners("data");
    if (trick === "break") {
      plain.on("data", () => plain.write("this is no TLS\r\n"));
      return;
    }
    this.#socket = new tls.TLSSocket(plain, { isServer: true, secureContext: secureContext(keys) });
    this.#kept = "";
    this.#state.heard.push("tls");
    this.#attach();
  }

  #step(verb: Verb, line: string): Act {
    const n = this.#state.counts.get(verb) ?? 0;
    this.#state.counts.set(verb, n + 1);
    const step = this.#state.script[verb] ?? usual[verb];
    return (typeof step === "function" ? step(line, n) : step) ?? usual[verb];
  }

  #do(act: Act): void {
    if (act === "close") this.#socket.end();
    else if (act === "reset") this.#socket.resetAndDestroy();
    else if (act === "silent") this.#silent = true;
    else if (typeof act === "string") this.#say(act);
    else if ("raw" in act) {
      this.#socket.write(act.raw);
      if (act.hangUp) this.#socket.end();
    } else if ("say" in act) {
      this.#say(act.say);
      this.#socket.end();
    } else this.#say(act.join("\r\n"));
  }

  #say(text: string): void {
    this.#socket.write(`${text}\r\n`);
  }
}
