// One connection of a client that does what no honest client does: it can be deaf, drip, flood, and break off.

import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import tls from "node:tls";

/** The server has ended the connection; what its last words were. */
export class Gone extends Error {}

/** What is kept of what the server said, characters. */
const HEARD = 16 * 1024;

export class Peer {
  readonly #raw: net.Socket;
  #socket: net.Socket;
  #heard = "";
  #gone = false;
  #wake: () => void = () => {};

  private constructor(socket: net.Socket) {
    this.#raw = socket;
    this.#socket = socket;
    this.#listen(socket);
  }

  /** Connects to a loopback port from a loopback address. Gone when the server does not take it. */
  static async to(port: number, from: string): Promise<Peer> {
    const peer = new Peer(net.connect({ port, host: "127.0.0.1", localAddress: from, noDelay: true }));
    await peer.#until(() => !peer.#raw.connecting);
    return peer;
  }

  get gone(): boolean {
    return this.#gone;
  }

  /** Sends, and waits until most of it has left. */
  async say(what: string | Buffer): Promise<void> {
    if (this.#gone) throw new Gone(this.#heard);
    if (this.#socket.write(what)) return;
    await this.#until(() => !this.#socket.writableNeedDrain);
  }

  /** Waits until the server has said it; all since the last time. */
  async hear(pattern: RegExp): Promise<string> {
    await this.#until(() => pattern.test(this.#heard));
    const heard = this.#heard;
    this.#heard = "";
    return heard;
  }

  /** Says it and hears the answer. */
  async ask(what: string, pattern: RegExp): Promise<string> {
    await this.say(what);
    return this.hear(pattern);
  }

  /** Reads no more. */
  deaf(): void {
    this.#socket.pause();
  }

  /** Sends the same again and again, as fast as it is taken, until the server ends the connection. */
  async flood(chunk: Buffer): Promise<never> {
    for (;;) {
      await this.say(chunk);
      // others have their turn
      await new Promise(setImmediate);
    }
  }

  /** Sends byte by byte. */
  async drip(text: string, ms: number): Promise<void> {
    for (const letter of text) {
      await this.say(letter);
      await sleep(ms);
    }
  }

  /** Does nothing until the server ends the connection. */
  async hold(): Promise<never> {
    await this.#until(() => false);
    throw new Gone(this.#heard);
  }

  /** Becomes TLS. */
  async secure(): Promise<void> {
    this.#raw.removeAllListeners("data");
    const socket = tls.connect({ socket: this.#raw, rejectUnauthorized: false });
    this.#socket = socket;
    this.#listen(socket);
    let secured = false;
    socket.once("secureConnect", () => {
      secured = true;
      this.#wake();
    });
    await this.#until(() => secured);
  }

  /** Breaks off. */
  destroy(): void {
    this.#socket.destroy();
    this.#raw.destroy();
  }

  #listen(socket: net.Socket): void {
    const changed = () => this.#wake();
    const end = () => {
      this.#gone = true;
      this.#wake();
    };
    socket.on("data", (chunk: Buffer) => {
      this.#heard = (this.#heard + chunk.toString("latin1")).slice(-HEARD);
      this.#wake();
    });
    socket.on("connect", changed).on("drain", changed);
    socket.on("end", end).on("close", end).on("error", end);
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#gone) throw new Gone(this.#heard);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
