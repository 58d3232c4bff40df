// Servers that speak as clamd and rspamd do, in this process: what they are sent is kept, and they answer as the test wants.

import http from "node:http";
import net, { type AddressInfo } from "node:net";

/** What the test clamd takes for a virus. */
export const VIRUS = "KENRO-TEST-SIGNATURE";

export interface Served {
  /** "127.0.0.1:port", or "unix:path". */
  readonly address: string;
  close(): Promise<void>;
}

async function serve(server: net.Server, path: string | undefined, port = 0): Promise<Served> {
  const sockets = new Set<net.Socket>();
  server.on("connection", (socket: net.Socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => {
    if (path === undefined) server.listen(port, "127.0.0.1", resolve);
    else server.listen(path, resolve);
  });
  const address = path === undefined ? `127.0.0.1:${(server.address() as AddressInfo).port}` : `unix:${path}`;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return { address, close };
}

export interface ClamdOptions {
  readonly path?: string;
  /** Without a path; 0: any. */
  readonly port?: number;
  /** StreamMaxLength. */
  readonly most?: number;
  /** Reads nothing before it resolves. */
  readonly stalled?: Promise<void>;
  /** In place of the answer; undefined: none ever comes. */
  readonly answer?: (scanned: Buffer) => string | undefined;
}

export interface Clamd extends Served {
  readonly scanned: Buffer[];
  /** Bytes of the stream so far. */
  readonly read: () => number;
}

const verdict = (scanned: Buffer) =>
  scanned.includes(VIRUS) ? "stream: Kenro.Test.Signature FOUND\0" : "stream: OK\0";

/** INSTREAM and PING, as clamd(8) has them. */
export async function startClamd(options: ClamdOptions = {}): Promise<Clamd> {
  const scanned: Buffer[] = [];
  let read = 0;
  const server = net.createServer((socket) => {
    const session = new ClamdSession(socket, options, scanned);
    socket.pause();
    void (options.stalled ?? Promise.resolve()).then(() => {
      socket.on("data", (chunk: Buffer) => {
        read += chunk.length;
        session.take(chunk);
      });
      socket.resume();
    });
  });
  return { ...(await serve(server, options.path, options.port)), scanned, read: () => read };
}

class ClamdSession {
  readonly #socket: net.Socket;
  readonly #options: ClamdOptions;
  readonly #scanned: Buffer[];
  #bytes = Buffer.alloc(0);
  #parts: Buffer[] | undefined;
  #size = 0;

  constructor(socket: net.Socket, options: ClamdOptions, scanned: Buffer[]) {
    this.#socket = socket;
    this.#options = options;
    this.#scanned = scanned;
  }

  take(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (!this.#parts) this.#command();
    while (this.#parts && this.#bytes.length >= 4 && this.#chunk(this.#parts, this.#bytes.readUInt32BE(0)));
  }

  #command(): void {
    const end = this.#bytes.indexOf(0);
    if (end < 0) return;
    const command = this.#bytes.toString("latin1", 0, end);
    this.#bytes = this.#bytes.subarray(end + 1);
    if (command === "zINSTREAM") this.#parts = [];
    else this.#socket.end(command === "zPING" ? "PONG\0" : "UNKNOWN COMMAND\0");
  }

  /** Whether there may be another one. */
  #chunk(parts: Buffer[], length: number): boolean {
    const { most = 100_000_000, answer = verdict } = this.#options;
    if (length === 0) {
      const whole = Buffer.concat(parts);
      this.#scanned.push(whole);
      this.#parts = undefined;
      const said = answer(whole);
      if (said !== undefined) this.#socket.end(said);
      return false;
    }
    if (this.#size + length > most) {
      this.#socket.end("INSTREAM size limit exceeded. ERROR\0");
      return false;
    }
    if (this.#bytes.length < 4 + length) return false;
    this.#size += length;
    parts.push(Buffer.from(this.#bytes.subarray(4, 4 + length)));
    this.#bytes = this.#bytes.subarray(4 + length);
    return true;
  }
}

export interface Asked {
  readonly method: string;
  readonly url: string;
  /** As pairs, in their order. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

export interface Rspamd extends Served {
  readonly asked: Asked[];
}

/** POST /checkv2 and GET /ping; `answer` says what comes back: JSON, or a status. */
export async function startRspamd(answer: (asked: Asked) => unknown): Promise<Rspamd> {
  const asked: Asked[] = [];
  const server = http.createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (chunk: Buffer) => parts.push(chunk));
    request.on("end", () => {
      const { rawHeaders, method = "", url = "" } = request;
      const fields = rawHeaders.flatMap((name, at) =>
        at % 2 === 0 ? [[name, rawHeaders[at + 1] ?? ""] as const] : [],
      );
      if (url === "/ping") return void response.end("pong\r\n");
      const one = { method, url, fields, body: Buffer.concat(parts) };
      asked.push(one);
      const said = answer(one);
      if (typeof said === "number") response.writeHead(said).end("no");
      else if (said !== undefined) response.end(typeof said === "string" ? said : JSON.stringify(said));
    });
  });
  return { ...(await serve(server, undefined)), asked };
}
