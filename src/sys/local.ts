// Unix sockets between roles: dial by path, answer on an inherited descriptor. Paths are relative to the data directory,
// because a socket address holds only 107 bytes.

import net from "node:net";
import { Trouble } from "#base/problem.ts";

/** A connected socket, or Trouble within `ms`. */
export function dial(path: string, ms: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ path });
    const timer = setTimeout(() => socket.destroy(Trouble.timeout(`connect to ${path}`, ms)), ms);
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(Trouble.from(`connect to ${path}`, error));
    });
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeAllListeners("error");
      resolve(socket);
    });
  });
}

export interface Answering {
  /** Takes no new connections. */
  close(): void;
}

/** Serves connections on a listening Unix socket: an inherited descriptor, or a path (tests). Resolves when it listens. */
export function answer(at: number | string, take: (socket: net.Socket) => void): Promise<Answering> {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => take(socket));
    server.once("error", (error) => reject(Trouble.from("answer on a socket", error)));
    server.listen(typeof at === "number" ? { fd: at, backlog: 511 } : { path: at, backlog: 511 }, () => {
      server.removeAllListeners("error");
      server.on("error", () => {
        // accept(2) failed (too many open files): the connection stays in the backlog and is taken later
      });
      resolve({ close: () => void server.close() });
    });
  });
}
