// Connect: a network connection made by us.

import net from "node:net";
import { Trouble } from "#base/problem.ts";
import { Conn } from "./conn.ts";

export interface ConnectOptions {
  readonly address: string;
  readonly port: number;
  /** Local address, "" for the system's choice; only used for its own family. */
  readonly source: string;
  readonly ms: number;
}

/** A connection to an address (not a name), or Trouble within `ms`. */
export function connect({ address, port, source, ms }: ConnectOptions): Promise<Conn> {
  return new Promise((resolve, reject) => {
    const localAddress = source !== "" && net.isIP(source) === net.isIP(address) ? source : undefined;
    const socket = net.connect({
      host: address,
      port,
      noDelay: true,
      ...(localAddress ? { localAddress } : {}),
    });
    const operation = `connect to ${address} port ${port}`;
    const timer = setTimeout(() => socket.destroy(Trouble.timeout(operation, ms)), ms);
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(Trouble.from(operation, error));
    });
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeAllListeners("error");
      resolve(new Conn(socket));
    });
  });
}
