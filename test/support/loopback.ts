// Real sockets on loopback for tests: serve sessions written against Stream, and be their client, with the clock of the test.

import net from "node:net";
import tls from "node:tls";
import type { Clock } from "#base/clock.ts";
import { Conn } from "#sys/conn.ts";
import type { DialogClient } from "./dialog.ts";

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface Loopback {
  readonly port: number;
  stop(): Promise<void>;
}

/** Serves every connection with `serve`, as sys/listen.ts does, on a free port. */
export async function serveLoopback(clock: Clock, serve: (conn: Conn) => Promise<void>): Promise<Loopback> {
  const sockets = new Set<net.Socket>();
  const sessions = new Set<Promise<void>>();
  const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    const conn = new Conn(socket, clock);
    const session = serve(conn).finally(() => {
      conn.end();
      sessions.delete(session);
    });
    sessions.add(session);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  return {
    port,
    async stop() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await Promise.all(sessions);
    },
  };
}

/** A client on loopback. */
export async function loopbackClient(
  port: number,
  options: { readonly tls?: boolean } = {},
): Promise<DialogClient> {
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  const client = new SocketClient(socket);
  if (options.tls) await client.secure();
  return client;
}

class SocketClient implements DialogClient {
  #socket: net.Socket;
  #received: Buffer[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    this.#attach(socket);
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  async receive(): Promise<Buffer | undefined> {
    while (this.#received.length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#received.shift();
  }

  async secure(): Promise<void> {
    this.#socket.removeAllListeners("data");
    const plain = this.#socket;
    const secured = tls.connect({ socket: plain, rejectUnauthorized: false });
    await new Promise<void>((resolve, reject) =>
      secured.once("secureConnect", resolve).once("error", reject).once("close", resolve),
    );
    this.#socket = secured;
    this.#attach(secured);
  }

  close(): void {
    this.#socket.end();
  }

  #attach(socket: net.Socket): void {
    socket.on("data", (chunk: Buffer) => {
      this.#received.push(chunk);
      this.#wake?.();
    });
    const end = () => {
      this.#ended = true;
      this.#wake?.();
    };
    socket.on("end", end).on("close", end);
    socket.on("error", end);
  }
}
