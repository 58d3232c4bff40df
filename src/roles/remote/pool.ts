// Pool: connections that have done their work and wait a moment for more mail to the same server.

import type { Clock, Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Peer } from "./peer.ts";
import type { Target } from "./route.ts";
import { securityKey } from "./security.ts";
import { mannerKey } from "./via.ts";

interface Idle {
  readonly peer: Peer;
  readonly timer: Timer;
}

/** Mail that demands more than the last one did gets a connection of its own. */
const keyOf = ({ host, address, port, security, manner }: Target): string =>
  `${host} ${address} ${port} ${mannerKey(manner)} ${securityKey(security)}`;

export class Pool {
  readonly #clock: Clock;
  readonly #idle = new Map<string, Idle[]>();
  #count = 0;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A waiting connection to this target, if there is one. It may have died meanwhile; its first command tells. */
  take(target: Target): Peer | undefined {
    const key = keyOf(target);
    const waiting = this.#idle.get(key);
    const last = waiting?.pop();
    if (waiting?.length === 0) this.#idle.delete(key);
    if (!last) return undefined;
    last.timer.cancel();
    this.#count--;
    return last.peer;
  }

  /** Keeps a usable connection for a moment, or ends it. */
  give(peer: Peer): void {
    const key = keyOf(peer.target);
    const waiting = this.#idle.get(key) ?? [];
    const { idle, idlePerServer, idleInAll, messagesPerConnection } = limits.remote;
    const enough = waiting.length >= idlePerServer || this.#count >= idleInAll;
    if (this.#closed || enough || peer.messages >= messagesPerConnection) return peer.quit();
    const entry: Idle = { peer, timer: this.#clock.after(idle, () => this.#expire(key, entry)) };
    waiting.push(entry);
    this.#idle.set(key, waiting);
    this.#count++;
  }

  close(): void {
    this.#closed = true;
    for (const waiting of this.#idle.values()) {
      for (const { peer, timer } of waiting) {
        timer.cancel();
        peer.quit();
      }
    }
    this.#idle.clear();
    this.#count = 0;
  }

  #expire(key: string, entry: Idle): void {
    const left = (this.#idle.get(key) ?? []).filter((each) => each !== entry);
    if (left.length > 0) this.#idle.set(key, left);
    else this.#idle.delete(key);
    this.#count--;
    entry.peer.quit();
  }
}
