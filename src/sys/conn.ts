// Conn: one network connection as a session sees it: bytes in with a deadline, bytes out with back-pressure, an upgrade to TLS.

import type { Socket } from "node:net";
import tls from "node:tls";
import { type Clock, systemClock, type Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import { received } from "./garbage.ts";
import { linger } from "./linger.ts";
import type { ServerTls } from "./tls.ts";

export interface TlsInfo {
  /** "TLSv1.3" */
  readonly version: string;
  /** "TLS_AES_256_GCM_SHA384" */
  readonly cipher: string;
  readonly servername: string | undefined;
  /** Addresses in the client's certificate, when it was asked for one and has one that we believe. */
  readonly emails: readonly string[];
}

/** What a server has shown in the handshake; nothing of it is judged yet. */
export interface Shown {
  /** Its certificates in DER, its own first, then those that it sent of who signed the one before. */
  readonly chain: readonly Buffer[];
  /** What is wrong with the chain, by the authorities of the context; undefined: nothing. Names are not looked at. */
  readonly flaw: string | undefined;
}

/** What sessions are written against, so that they also run in memory. */
export interface Stream {
  readonly address: string;
  readonly port: number;
  readonly tls: TlsInfo | undefined;
  /** The connection broke: nobody reads what is sent from now on. */
  readonly broken: boolean;
  /** The next bytes; undefined when the peer has ended. Trouble after `ms` or when the connection broke. */
  read(ms: number): Promise<Buffer | undefined> | Buffer | undefined;
  /** Sends; a promise when the caller should wait before sending more. Trouble there when the peer reads too slowly. */
  write(data: string | Buffer): Promise<void> | undefined;
  /** TLS as server. Bytes already received in clear must have been dealt with. Trouble when the handshake fails. */
  secure(keys: ServerTls): Promise<void>;
  /** Sends what is left and closes; what the peer still sends is thrown away for a while, so that it can read that. `peerIsDone`: it has
   * said that it sends no more. */
  end(peerIsDone?: boolean): void;
  /** Closes now. */
  destroy(): void;
}

/** A session that waits for bytes. */
interface Waiting {
  readonly resolve: (chunk: Buffer | undefined) => void;
  readonly reject: (reason: Trouble) => void;
  readonly timer: Timer;
}

/** The connection that a socket belongs to, for listeners that all sockets share. */
const owner = Symbol("conn");

type Owned = Socket & { [owner]?: Conn };

/** Turns of the event loop in which something was received, counted. */
const turns = { count: 0, counting: false };

function thisTurn(): number {
  if (!turns.counting) {
    turns.counting = true;
    setImmediate(() => {
      turns.counting = false;
      turns.count++;
    });
  }
  return turns.count;
}

export class Conn implements Stream {
  #address: string;
  #port: number;
  readonly #clock: Clock;
  #socket: Socket | tls.TLSSocket;
  #tls: TlsInfo | undefined;
  /** Received while the session was busy. */
  #kept: Buffer[] = [];
  /** The socket delivers nothing. */
  #paused = false;
  /** It has had its share of this turn. */
  #resting = false;
  #turn = 0;
  /** Bytes received in that turn. */
  #share = 0;
  #ended = false;
  #broken: Trouble | undefined;
  #waiting: Waiting | undefined;

  constructor(socket: Socket, clock: Clock = systemClock) {
    this.#socket = socket;
    this.#clock = clock;
    this.#address = plainAddress(socket.remoteAddress ?? "");
    this.#port = socket.remotePort ?? 0;
    this.#attach(socket);
  }

  get address(): string {
    return this.#address;
  }

  get port(): number {
    return this.#port;
  }

  /** The peer is a proxy that speaks for this client. */
  speaksFor(address: string, port: number): void {
    this.#address = address;
    this.#port = port;
  }

  get broken(): boolean {
    return this.#broken !== undefined;
  }

  get tls(): TlsInfo | undefined {
    return this.#tls;
  }

  read(ms: number): Promise<Buffer | undefined> | Buffer | undefined {
    const chunk = this.#kept.shift();
    if (chunk) return chunk;
    if (this.#broken) return Promise.reject(this.#broken);
    return this.#ended ? undefined : this.#await(ms);
  }

  write(data: string | Buffer): Promise<void> | undefined {
    if (this.#broken) return Promise.reject(this.#broken);
    if (this.#socket.write(data)) return undefined;
    return this.#drained();
  }

  secure(keys: ServerTls): Promise<void> {
    const socket = keys.wrap(this.#detach());
    return this.#upgrade(socket, "secure", () => keys.emailsOf(socket, this.#clock.now()));
  }

  /** TLS as client; the certificate is not judged here. `servername` is sent unless it is an address. One `secureContext` for all
   * connections spares making one for each. */
  secureClient(servername: string, options: tls.ConnectionOptions = {}): Promise<void> {
    const socket = tls.connect({
      ...options,
      socket: this.#detach(),
      rejectUnauthorized: false,
      // whoever wants to know asks `shown`
      checkServerIdentity: () => undefined,
      ...(/^[\d.]+$|:/.test(servername) ? {} : { servername }),
    });
    return this.#upgrade(socket, "secureConnect", () => []);
  }

  /** What the server has shown; nothing before `secureClient`. */
  get shown(): Shown | undefined {
    return this.#socket instanceof tls.TLSSocket ? shownBy(this.#socket) : undefined;
  }

  end(peerIsDone = false): void {
    const socket = this.#socket;
    const done = peerIsDone || this.#ended;
    this.#kept = [];
    this.#ended = true;
    socket.removeListener("data", onData);
    // when all is sent, and TLS has no goodbye of its own to say, to close says the same as to shut down first
    if (done && socket.writableLength === 0 && !(socket instanceof tls.TLSSocket)) socket.destroy();
    else linger(socket, this.#clock);
    this.#wake();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Puts bytes back that were read before this object was made; the next `read` gives them. */
  unread(bytes: Buffer): void {
    if (bytes.length > 0) this.#kept.unshift(bytes);
  }

  /** The socket itself, detached, for a caller that only copies bytes from now on; with what had been received. */
  surrender(): { readonly socket: Socket; readonly rest: Buffer } {
    const socket = this.#detach();
    return { socket, rest: Buffer.concat(this.#kept) };
  }

  #attach(socket: Owned): void {
    socket.setNoDelay(true);
    socket[owner] = this;
    for (const [event, heard] of heardBy) socket.on(event, heard);
  }

  #detach(): Socket {
    const socket: Owned = this.#socket;
    socket.pause();
    this.#paused = false;
    for (const [event, heard] of heardBy) socket.removeListener(event, heard);
    return socket;
  }

  /** For the listeners below. */
  static readonly heard = {
    data: (conn: Conn, chunk: Buffer): void => {
      received(chunk.length);
      conn.#takeShare(chunk.length);
      const waiting = conn.#waiting;
      if (waiting) return conn.#settle(waiting, chunk);
      conn.#kept.push(chunk);
      // a session that is busy makes the peer wait
      conn.#pause();
    },
    end: (conn: Conn): void => {
      conn.#ended = true;
      conn.#wake();
    },
    error: (conn: Conn, error: Error): void => conn.#break(Trouble.from("talk to the peer", error)),
  };

  /** libuv reads up to 2 MiB from a peer that floods before it looks at the next one: with hundreds of them nobody else would be served. */
  #takeShare(bytes: number): void {
    const turn = thisTurn();
    this.#share = this.#turn === turn ? this.#share + bytes : bytes;
    this.#turn = turn;
    if (this.#share < limits.conn.turn || this.#resting) return;
    this.#resting = true;
    this.#pause();
    setImmediate(() => {
      this.#resting = false;
      if (this.#waiting) this.#resume();
    });
  }

  #pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  #resume(): void {
    if (!this.#paused || this.#resting) return;
    this.#paused = false;
    this.#socket.resume();
  }

  #break(reason: Trouble): void {
    this.#broken ??= reason;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    if (!waiting) return;
    if (this.#broken) {
      this.#waiting = undefined;
      waiting.timer.cancel();
      waiting.reject(this.#broken);
    } else this.#settle(waiting, undefined);
  }

  #settle(waiting: Waiting, chunk: Buffer | undefined): void {
    this.#waiting = undefined;
    waiting.timer.cancel();
    waiting.resolve(chunk);
  }

  #await(ms: number): Promise<Buffer | undefined> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(ms, () => {
        this.#waiting = undefined;
        reject(Trouble.timeout("read from the peer", ms));
      });
      this.#waiting = { resolve, reject, timer };
      this.#resume();
    });
  }

  #drained(): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(limits.conn.unread, () => {
        const reason = Trouble.timeout("write to the peer", limits.conn.unread);
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

  #upgrade(
    socket: tls.TLSSocket,
    event: "secure" | "secureConnect",
    emails: () => readonly string[],
  ): Promise<void> {
    this.#kept = [];
    this.#socket = socket;
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(limits.tls.handshake, () => {
        socket.destroy(Trouble.timeout("start TLS", limits.tls.handshake));
      });
      const fail = (error: Error) => {
        timer.cancel();
        reject(Trouble.from("start TLS", error));
      };
      const lost = () => fail(new Trouble("start TLS", "The peer closed during the handshake"));
      socket.once("error", fail).once("close", lost);
      socket.once(event, () => {
        timer.cancel();
        socket.off("error", fail).off("close", lost);
        this.#attach(socket);
        this.#tls = tlsInfo(socket, emails());
        resolve();
      });
    });
  }
}

function tlsInfo(socket: tls.TLSSocket, emails: readonly string[]): TlsInfo {
  const name = socket.servername;
  return {
    version: socket.getProtocol() ?? "",
    cipher: socket.getCipher()?.standardName ?? "",
    servername: typeof name === "string" && name !== "" ? name : undefined,
    emails,
  };
}

/** Certificates looked at; longer chains are nobody's. */
const LONGEST_CHAIN = 10;

function shownBy(socket: tls.TLSSocket): Shown {
  const chain: Buffer[] = [];
  let at: Partial<tls.DetailedPeerCertificate> | undefined = socket.getPeerCertificate(true);
  for (; at?.raw && chain.length < LONGEST_CHAIN; at = at.issuerCertificate) {
    chain.push(at.raw);
    // the last one is its own issuer
    if (at.issuerCertificate === at) break;
  }
  const { authorizationError: error } = socket as { readonly authorizationError?: unknown };
  return { chain, flaw: socket.authorized ? undefined : String((error as Error | null)?.message ?? error) };
}

function onData(this: Owned, chunk: Buffer): void {
  if (this[owner]) Conn.heard.data(this[owner], chunk);
}

function onEnd(this: Owned): void {
  if (this[owner]) Conn.heard.end(this[owner]);
}

function onError(this: Owned, error: Error): void {
  if (this[owner]) Conn.heard.error(this[owner], error);
}

/** One function for all sockets each, because a closure for each costs memory that ten thousand idle connections would keep. */
const heardBy = [
  ["data", onData],
  ["end", onEnd],
  ["close", onEnd],
  ["error", onError],
] as const;

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
