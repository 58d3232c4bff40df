// Serves an inherited listening socket: caps in total and per address, and a word for those who come in vain.

import net from "node:net";
import { Trouble } from "#base/problem.ts";
import { Conn, plainAddress } from "./conn.ts";

export interface ListenOptions {
  /** An inherited descriptor. */
  readonly fd: number;
  readonly connections: number;
  readonly connectionsPerAddress: number;
  /** Sent to a client over the cap before it is closed; "" where a protocol has no such word (TLS first). */
  readonly refusal: string;
  /** Serves one connection until it ends; the count falls when the promise settles. It never rejects. */
  readonly serve: (conn: Conn) => Promise<void>;
  readonly refused?: (address: string) => void;
}

export interface Listening {
  /** Connections being served. */
  readonly count: number;
  /** Takes no new connections; resolves when the last one has ended. */
  close(): Promise<void>;
}

/** Starts to accept; resolves when it does. */
export function listen(options: ListenOptions): Promise<Listening> {
  const perAddress = new Map<string, number>();
  let count = 0;
  let idle: (() => void) | undefined;

  const leave = (address: string) => {
    count--;
    const left = (perAddress.get(address) ?? 1) - 1;
    if (left > 0) perAddress.set(address, left);
    else perAddress.delete(address);
    if (count === 0) idle?.();
  };

  const take = (socket: net.Socket) => {
    const address = plainAddress(socket.remoteAddress ?? "");
    const here = perAddress.get(address) ?? 0;
    if (count >= options.connections || here >= options.connectionsPerAddress)
      return refuse(options, socket, address);
    count++;
    perAddress.set(address, here + 1);
    const conn = new Conn(socket);
    void options.serve(conn).finally(() => {
      conn.end();
      leave(address);
    });
  };

  return new Promise((resolve, reject) => {
    const server = net.createServer({ noDelay: true, allowHalfOpen: true }, take);
    server.once("error", (error) => reject(Trouble.from("listen", error)));
    server.listen({ fd: options.fd, backlog: 4096 }, () => {
      server.removeAllListeners("error");
      server.on("error", () => {
        // accept(2) failed (too many open files): the client stays in the backlog
      });
      resolve({
        get count() {
          return count;
        },
        close: () =>
          new Promise((done) => {
            server.close();
            if (count === 0) done();
            else idle = done;
          }),
      });
    });
  });
}

function refuse(options: ListenOptions, socket: net.Socket, address: string): void {
  options.refused?.(address);
  socket.on("error", () => {
    // it was leaving anyway
  });
  if (options.refusal === "") socket.destroy();
  else socket.end(options.refusal, () => socket.destroy());
}
