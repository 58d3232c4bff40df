// Serves an inherited listening socket: lets in who may come in, hears who a proxy speaks for, and has a word for the others.

import net from "node:net";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Networks } from "#base/network.ts";
import { Trouble } from "#base/problem.ts";
import { ProxyReader } from "#wire/proxy.ts";
import type { Entrance, Refusal } from "./admission.ts";
import { Conn, plainAddress } from "./conn.ts";
import { linger } from "./linger.ts";

export interface ListenOptions {
  /** An inherited descriptor. */
  readonly fd: number;
  readonly clock: Clock;
  readonly entrance: Entrance;
  /** Who must say who the client is (PROXY protocol). */
  readonly proxies: () => Networks;
  /** Whether it serves this address at all. */
  readonly serves: (address: string) => boolean;
  /** Sent to a client that is not let in before it is closed; "" where a protocol has no such word (TLS first). */
  readonly word: (why: Refusal) => string;
  /** Serves one connection until it ends. It never rejects. */
  readonly serve: (conn: Conn) => Promise<void>;
  /** Somebody was not let in, or a proxy did not say for whom it speaks. */
  readonly refused: (address: string, why: Refusal | "proxy") => void;
}

export interface Listening {
  /** Takes no new connections; resolves when the last one has been served. */
  close(): Promise<void>;
}

/** Starts to accept; resolves when it does. */
export function listen(options: ListenOptions): Promise<Listening> {
  const listener = new Listener(options);
  return new Promise((resolve, reject) => {
    const server = net.createServer(
      { noDelay: true, allowHalfOpen: true, highWaterMark: limits.conn.buffer },
      (socket) => listener.take(socket),
    );
    server.once("error", (error) => reject(Trouble.from("listen", error)));
    server.listen({ fd: options.fd, backlog: 4096 }, () => {
      server.removeAllListeners("error");
      server.on("error", () => {
        // accept(2) failed (too many open files): the client stays in the backlog
      });
      resolve({
        close: () => {
          server.close();
          return listener.idle();
        },
      });
    });
  });
}

class Listener {
  readonly #options: ListenOptions;
  /** Connections being served. */
  #serving = 0;
  /** Connections refused that have not gone yet. */
  #leaving = 0;
  #idle: (() => void)[] = [];

  constructor(options: ListenOptions) {
    this.#options = options;
  }

  idle(): Promise<void> {
    if (this.#serving === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  take(socket: net.Socket): void {
    const { entrance, proxies, clock } = this.#options;
    const peer = plainAddress(socket.remoteAddress ?? "");
    const proxied = proxies().has(peer);
    const why = this.#stranger(proxied ? undefined : peer) ?? entrance.enter(proxied ? undefined : peer);
    if (why) return this.#refuse(socket, peer, why);
    const guest = { address: proxied ? undefined : peer };
    // what is left of it when it has been served still holds a descriptor
    socket.once("close", () => entrance.leave(guest.address));
    const conn = new Conn(socket, clock);
    this.#serving++;
    const served = proxied ? this.#introduce(conn, guest) : this.#options.serve(conn);
    void served.finally(() => {
      conn.end();
      if (--this.#serving === 0) for (const resolve of this.#idle.splice(0)) resolve();
    });
  }

  #stranger(address: string | undefined): Refusal | undefined {
    return address === undefined || this.#options.serves(address) ? undefined : "stranger";
  }

  /** Serves a connection after its proxy has said whom it is for. */
  async #introduce(conn: Conn, guest: { address: string | undefined }): Promise<void> {
    const { entrance, serve, refused, word } = this.#options;
    if (!(await heard(conn, this.#options.clock))) return refused(conn.address, "proxy");
    const { address } = conn;
    const why = this.#stranger(address) ?? entrance.identify(address);
    if (why) {
      refused(address, why);
      // not awaited: it is the last thing that is sent
      conn.write(word(why))?.catch(() => {});
      return;
    }
    guest.address = address;
    await serve(conn);
  }

  /** Without a session, and without keeping more than a few of them until they have read why. */
  #refuse(socket: net.Socket, address: string, why: Refusal): void {
    const { refused, word, clock } = this.#options;
    refused(address, why);
    socket.on("error", () => {
      // it was leaving anyway
    });
    const text = word(why);
    if (text === "") return void socket.destroy();
    socket.write(text);
    if (this.#leaving >= limits.refusal.atATime) return socket.destroySoon();
    this.#leaving++;
    socket.once("close", () => this.#leaving--);
    linger(socket, clock, limits.refusal);
  }
}

/** Reads the PROXY header and takes over what it says; false when there is none, or not in time. */
async function heard(conn: Conn, clock: Clock): Promise<boolean> {
  const reader = new ProxyReader();
  const end = clock.monotonic() + limits.proxy.header;
  try {
    for (;;) {
      const left = end - clock.monotonic();
      const chunk = left > 0 ? await conn.read(left) : undefined;
      if (!chunk) return false;
      const found = reader.feed(chunk);
      if (found === undefined) continue;
      if (typeof found === "string") return false;
      if (found.header.kind === "client") conn.speaksFor(found.header.address, found.header.port);
      conn.unread(found.rest);
      return true;
    }
  } catch (thrown) {
    if (thrown instanceof Trouble) return false;
    throw thrown;
  }
}
