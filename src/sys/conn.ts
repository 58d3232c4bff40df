// Conn: one network connection as a session sees it: bytes in with a deadline, bytes out with back-pressure, an upgrade to TLS.

import type { Socket } from "node:net";
import tls from "node:tls";
import { type Clock, systemClock, type Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";

export interface TlsInfo {
  /** "TLSv1.3" */
  readonly version: string;
  /** "TLS_AES_256_GCM_SHA384" */
  readonly cipher: string;
  readonly servername: string | undefined;
}

/** What sessions are written against, so that they also run in memory. */
export interface Stream {
  readonly address: string;
  readonly port: number;
  readonly tls: TlsInfo | undefined;
  /** The next bytes; undefined when the peer has ended. Trouble after `ms` or when the connection broke. */
  read(ms: number): Promise<Buffer | undefined> | Buffer | undefined;
  /** Sends; a promise when the caller should wait before sending more. Trouble there when the peer reads too slowly. */
  write(data: string | Buffer): Promise<void> | undefined;
  /** TLS as server. Bytes already received in clear must have been dealt with. Trouble when the handshake fails. */
  secure(context: tls.SecureContext): Promise<void>;
  /** Sends what is left and closes. */
  end(): void;
  /** Closes now. */
  destroy(): void;
}

/** Received bytes kept for a session that is busy before the kernel is told to wait. */
const READ_AHEAD = 64 * 1024;

/** How long a peer may leave what we send unread; at least 3 minutes for a block of a body (RFC 5321 §4.5.3.2.5). */
const SLOW_READER = 5 * 60_000;

export class Conn implements Stream {
  readonly address: string;
  readonly port: number;
  readonly #clock: Clock;
  #socket: Socket | tls.TLSSocket;
  #kept: Buffer[] = [];
  #size = 0;
  #ended = false;
  #broken: Trouble | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: Socket, clock: Clock = systemClock) {
    this.#socket = socket;
    this.#clock = clock;
    this.address = plainAddress(socket.remoteAddress ?? "");
    this.port = socket.remotePort ?? 0;
    this.#attach(socket);
  }

  get tls(): TlsInfo | undefined {
    const socket = this.#socket;
    if (!(socket instanceof tls.TLSSocket)) return undefined;
    const name = socket.servername;
    return {
      version: socket.getProtocol() ?? "",
      cipher: socket.getCipher()?.standardName ?? "",
      servername: typeof name === "string" && name !== "" ? name : undefined,
    };
  }

  read(ms: number): Promise<Buffer | undefined> | Buffer | undefined {
    return this.#ready() ? this.#next() : this.#await(ms);
  }

  write(data: string | Buffer): Promise<void> | undefined {
    if (this.#broken) return Promise.reject(this.#broken);
    if (this.#socket.write(data)) return undefined;
    return this.#drained();
  }

  secure(context: tls.SecureContext): Promise<void> {
    return this.#upgrade(
      new tls.TLSSocket(this.#detach(), { isServer: true, secureContext: context }),
      "secure",
    );
  }

  /** TLS as client; the certificate is not judged here. `servername` is sent unless it is an address. One `secureContext` for all
   * connections spares making one for each. */
  secureClient(servername: string, options: tls.ConnectionOptions = {}): Promise<void> {
    const socket = tls.connect({
      ...options,
      socket: this.#detach(),
      rejectUnauthorized: false,
      ...(/^[\d.]+$|:/.test(servername) ? {} : { servername }),
    });
    return this.#upgrade(socket, "secureConnect");
  }

  end(): void {
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Puts bytes back that were read before this object was made; the next `read` gives them. */
  unread(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#kept.unshift(bytes);
    this.#size += bytes.length;
  }

  /** The socket itself, detached, for a caller that only copies bytes from now on; with what had been received. */
  surrender(): { readonly socket: Socket; readonly rest: Buffer } {
    const socket = this.#detach();
    return { socket, rest: Buffer.concat(this.#kept) };
  }

  #attach(socket: Socket): void {
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      this.#kept.push(chunk);
      this.#size += chunk.length;
      if (this.#size >= READ_AHEAD) socket.pause();
      this.#wake?.();
    });
    socket.on("end", () => {
      this.#ended = true;
      this.#wake?.();
    });
    socket.on("error", (error) => this.#break(Trouble.from("talk to the peer", error)));
    socket.on("close", () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  #detach(): Socket {
    const socket = this.#socket;
    socket.pause();
    for (const event of ["data", "end", "error", "close"]) socket.removeAllListeners(event);
    return socket;
  }

  #break(reason: Trouble): void {
    this.#broken ??= reason;
    this.#wake?.();
  }

  #ready(): boolean {
    return this.#kept.length > 0 || this.#ended || this.#broken !== undefined;
  }

  #next(): Promise<never> | Buffer | undefined {
    const chunk = this.#kept.shift();
    if (chunk) {
      const wasFull = this.#size >= READ_AHEAD;
      this.#size -= chunk.length;
      if (wasFull && this.#size < READ_AHEAD) this.#socket.resume();
      return chunk;
    }
    return this.#broken ? Promise.reject(this.#broken) : undefined;
  }

  #await(ms: number): Promise<Buffer | undefined> {
    return new Promise((resolve, reject) => {
      const timer: Timer = this.#clock.after(ms, () => {
        this.#wake = undefined;
        reject(Trouble.timeout("read from the peer", ms));
      });
      this.#wake = () => {
        timer.cancel();
        this.#wake = undefined;
        resolve(this.#next());
      };
    });
  }

  #drained(): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(SLOW_READER, () => {
        const reason = Trouble.timeout("write to the peer", SLOW_READER);
        this.#break(reason);
        socket.destroy();
        reject(reason);
      });
      const done = () => {
        timer.cancel();
        socket.off("drain", done).off("close", done);
        if (socket.destroyed)
          reject(this.#broken ?? new Trouble("write", "The peer has closed", { code: "closed" }));
        else resolve();
      };
      socket.on("drain", done).on("close", done);
    });
  }

  #upgrade(socket: tls.TLSSocket, event: "secure" | "secureConnect"): Promise<void> {
    this.#kept = [];
    this.#size = 0;
    this.#socket = socket;
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => {
        timer.cancel();
        reject(Trouble.from("start TLS", error));
      };
      const timer = this.#clock.after(limits.tls.handshake, () => {
        socket.destroy(Trouble.timeout("start TLS", limits.tls.handshake));
      });
      socket.once("error", fail);
      socket.once("close", () => fail(new Trouble("start TLS", "The peer closed during the handshake")));
      socket.once(event, () => {
        timer.cancel();
        socket.removeAllListeners("error");
        socket.removeAllListeners("close");
        this.#attach(socket);
        resolve();
      });
    });
  }
}

/** IPv4 in IPv6 clothes as plain IPv4. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

/** What cuts a stream into lines, commands or replies. */
export interface Cutter<T> {
  feed(chunk: Buffer): void;
  next(): T | undefined;
}

/** The next thing a cutter finds in a stream; undefined when the peer ends first. Trouble after `ms` of silence. */
export async function nextOf<T>(
  cutter: Cutter<T>,
  stream: Pick<Stream, "read">,
  ms: number,
): Promise<T | undefined> {
  for (;;) {
    const found = cutter.next();
    if (found !== undefined) return found;
    const chunk = await stream.read(ms);
    if (!chunk) return undefined;
    cutter.feed(chunk);
  }
}
