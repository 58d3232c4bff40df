// A connection in memory: the server's side is a Stream as sessions see it, the client's side is in the test's hands.

import type { Clock } from "#base/clock.ts";
import { Trouble } from "#base/problem.ts";
import type { Stream, TlsInfo } from "#sys/conn.ts";
import type { DialogClient } from "./dialog.ts";

export interface MemoryOptions {
  readonly address?: string;
  readonly port?: number;
  /** TLS from the first byte. */
  readonly tls?: boolean;
  /** Bytes the client may leave unread before the server's `write` asks it to wait. */
  readonly window?: number;
}

export interface MemoryPair {
  readonly server: Stream;
  readonly client: MemoryClient;
}

export function memoryPair(clock: Clock, options: MemoryOptions = {}): MemoryPair {
  const client = new MemoryClient(options.window ?? 64 * 1024);
  const server = new MemoryStream(clock, client, options);
  client.attach(server);
  return { server, client };
}

const PRETENDED: TlsInfo = {
  version: "TLSv1.3",
  cipher: "TLS_AES_256_GCM_SHA384",
  servername: undefined,
  emails: [],
};

class MemoryStream implements Stream {
  readonly address: string;
  readonly port: number;
  tls: TlsInfo | undefined;
  readonly #clock: Clock;
  readonly #client: MemoryClient;
  #kept: Buffer[] = [];
  #ended = false;
  #broken: Trouble | undefined;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(clock: Clock, client: MemoryClient, options: MemoryOptions) {
    this.#clock = clock;
    this.#client = client;
    this.address = options.address ?? "192.0.2.7";
    this.port = options.port ?? 40_000;
    this.tls = options.tls ? PRETENDED : undefined;
  }

  get broken(): boolean {
    return this.#broken !== undefined;
  }

  read(ms: number): Promise<Buffer | undefined> | Buffer | undefined {
    if (this.#ready()) return this.#next();
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(ms, () => {
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

  write(data: string | Buffer): Promise<void> | undefined {
    if (this.#broken) return Promise.reject(this.#broken);
    if (this.#closed) return undefined;
    return this.#client.put(Buffer.from(data));
  }

  /** Pretends: what was received in clear is dropped, then both sides go on as if encrypted. */
  async secure(): Promise<void> {
    this.#kept = [];
    await this.#client.handshake();
    this.#kept = [];
    if (this.#broken || this.#ended) throw new Trouble("start TLS", "The peer closed during the handshake");
    this.tls = PRETENDED;
  }

  end(): void {
    this.#closed = true;
    this.#ended = true;
    this.#client.finish();
    this.#wake?.();
  }

  destroy(): void {
    this.end();
  }

  // ---- the client's reach ----

  get unread(): number {
    return this.#kept.reduce((sum, each) => sum + each.length, 0);
  }

  take(bytes: Buffer): void {
    if (this.#closed || this.#ended || bytes.length === 0) return;
    this.#kept.push(bytes);
    this.#wake?.();
  }

  leave(reason?: Trouble): void {
    this.#ended = true;
    this.#broken ??= reason;
    this.#wake?.();
  }

  #ready(): boolean {
    return this.#kept.length > 0 || this.#ended || this.#broken !== undefined;
  }

  #next(): Promise<never> | Buffer | undefined {
    const chunk = this.#kept.shift();
    if (chunk) return chunk;
    return this.#broken ? Promise.reject(this.#broken) : undefined;
  }
}

export class MemoryClient implements DialogClient {
  readonly #window: number;
  #server: MemoryStream | undefined;
  #received: Buffer[] = [];
  #size = 0;
  #finished = false;
  #wake: (() => void)[] = [];
  #drained: (() => void)[] = [];
  /** Set by whichever side starts the handshake first. */
  #shake: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(window: number) {
    this.#window = window;
  }

  send(bytes: Buffer | string): void {
    this.#server?.take(Buffer.from(bytes));
  }

  /** The next bytes; undefined when the server has closed. */
  async receive(): Promise<Buffer | undefined> {
    while (this.#received.length === 0 && !this.#finished) {
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
    const chunk = this.#received.shift();
    this.#size -= chunk?.length ?? 0;
    if (this.#size < this.#window) wakeAll(this.#drained);
    return chunk;
  }

  secure(): Promise<void> {
    return this.#meet();
  }

  close(): void {
    this.#server?.leave();
    this.#shake?.resolve();
  }

  /** Breaks the connection, as a reset does. */
  reset(): void {
    this.#server?.leave(new Trouble("talk to the peer", "Connection reset", { code: "ECONNRESET" }));
    this.#shake?.resolve();
    this.finish();
  }

  /** Bytes sent that the server has not read. */
  get unread(): number {
    return this.#server?.unread ?? 0;
  }

  /** The server's writes that have arrived and not been received: how many there were tells what left together. */
  get writes(): readonly Buffer[] {
    return this.#received;
  }

  /** Receives everything that has arrived, without waiting. */
  drain(): Buffer {
    const all = Buffer.concat(this.#received.splice(0));
    this.#size = 0;
    wakeAll(this.#drained);
    return all;
  }

  get closed(): boolean {
    return this.#finished;
  }

  // ---- the server's reach ----

  attach(server: MemoryStream): void {
    this.#server = server;
  }

  put(bytes: Buffer): Promise<void> | undefined {
    this.#received.push(bytes);
    this.#size += bytes.length;
    wakeAll(this.#wake);
    if (this.#size <= this.#window) return undefined;
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  handshake(): Promise<void> {
    return this.#meet();
  }

  finish(): void {
    this.#finished = true;
    wakeAll(this.#wake);
    wakeAll(this.#drained);
  }

  /** Resolves when both sides have come. */
  #meet(): Promise<void> {
    if (this.#shake) {
      const { promise, resolve } = this.#shake;
      this.#shake = undefined;
      resolve();
      return promise;
    }
    this.#shake = Promise.withResolvers<void>();
    return this.#shake.promise;
  }
}

function wakeAll(waiting: (() => void)[]): void {
  for (const resolve of waiting.splice(0)) resolve();
}
