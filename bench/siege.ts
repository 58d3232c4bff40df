// A siege: many connections of one attack against a server, what that costs its smtpd, and how a good client fares meanwhile.

import { setTimeout as sleep } from "node:timers/promises";
import { type Attack, type Door, KNOWN } from "./attacks.ts";
import { Gone, Peer } from "./peer.ts";
import { residentOf } from "./processes.ts";

export interface Target {
  readonly ports: Readonly<Record<Door, number>>;
  /** Of smtpd. */
  readonly pid: number;
}

export interface Siege {
  readonly connections: number;
  /** ms. */
  readonly time: number;
  /** Resident memory of smtpd to compare with, KiB; without one it is measured with a few connections of the attack. */
  readonly before?: number;
}

export interface Suffered {
  /** By which smtpd grew at most, KiB for each connection. */
  readonly perConnection: number;
  /** Connections that the attackers made; those that the server ends come again. */
  readonly made: number;
  /** Messages that good clients sent meanwhile, and the longest that one took, ms. */
  readonly good: number;
  readonly slowest: number;
}

/** The most memory for a connection, KiB, whatever it does. */
export const MOST = 256;

/** Connections with which smtpd has done everything once. */
const FEW = 10;

/** Connections of one address; the standard limit is 200. */
const PER_ADDRESS = 100;

/** A good client that waits longer than this is not served, ms. */
const PATIENCE = 20_000;

/** Changes kenro.toml for a siege: with a door that relays, and messages small enough for many that do not end. */
export const besieged = (toml: string, lan: number): string =>
  `${toml.replace(/^max_size = .*$/m, 'max_size = "1M"')}
[[listener]]
name = "relay"
class = "lan"
addresses = ["127.0.0.1:${lan}"]
networks = ["127.0.0.0/8"]
`;

/** Sends one good message; the ms that took. Rejects when it is not taken. */
export async function goodClient(port: number): Promise<number> {
  const began = performance.now();
  const peer = await Peer.to(port, "127.0.0.1");
  const late = setTimeout(() => peer.destroy(), PATIENCE);
  try {
    await peer.hear(/^220 /m);
    await peer.ask("EHLO good.test\r\n", /^250 .*\r\n/m);
    await peer.ask("MAIL FROM:<good@client.test>\r\n", /^250 2\.1\.0/m);
    await peer.ask(`RCPT TO:<${KNOWN}>\r\n`, /^250 2\.1\.5/m);
    await peer.ask("DATA\r\n", /^354/m);
    await peer.ask("Subject: good\r\n\r\nbody\r\n.\r\n", /^250 2\.0\.0 Queued/m);
    await peer.ask("QUIT\r\n", /^221/m);
    return performance.now() - began;
  } finally {
    clearTimeout(late);
    peer.destroy();
  }
}

class Attackers {
  made = 0;
  readonly #target: Target;
  readonly #attack: Attack;
  readonly #peers = new Set<Peer>();
  #over = false;

  constructor(target: Target, attack: Attack) {
    this.#target = target;
    this.#attack = attack;
  }

  /** Holds so many connections from now on. */
  send(connections: number): void {
    for (let at = 0; at < connections; at++)
      void this.#one(`127.0.1.${1 + Math.floor(at / PER_ADDRESS)}`, at);
  }

  end(): void {
    this.#over = true;
    for (const peer of this.#peers) peer.destroy();
  }

  async #one(from: string, at: number): Promise<void> {
    // not all in one moment
    await sleep(at);
    while (!this.#over) {
      try {
        await this.#attempt(from);
      } catch (thrown) {
        if (!(thrown instanceof Gone)) throw thrown;
      }
      await sleep(50);
    }
  }

  async #attempt(from: string): Promise<void> {
    const peer = await Peer.to(this.#target.ports[this.#attack.door], from);
    this.#peers.add(peer);
    this.made++;
    try {
      if (!this.#over) await this.#attack.run(peer);
    } finally {
      peer.destroy();
      this.#peers.delete(peer);
    }
  }
}

/** Attacks and measures. Rejects when a good client is not served. */
export async function besiege(target: Target, attack: Attack, siege: Siege): Promise<Suffered> {
  const attackers = new Attackers(target, attack);
  try {
    let before = siege.before;
    if (before === undefined) {
      attackers.send(FEW);
      await watch(target, siege.time / 2);
      before = residentOf(target.pid);
    }
    attackers.send(siege.connections - (siege.before === undefined ? FEW : 0));
    const { peak, good, slowest } = await watch(target, siege.time);
    const perConnection = Math.max(0, peak - before) / siege.connections;
    return { perConnection, made: attackers.made, good, slowest };
  } finally {
    attackers.end();
  }
}

/** For a time, and at least as long as a good client needs. */
async function watch(
  { pid, ports }: Target,
  time: number,
): Promise<{ readonly peak: number; readonly good: number; readonly slowest: number }> {
  let [peak, good, slowest] = [0, 0, 0];
  const look = setInterval(() => {
    peak = Math.max(peak, residentOf(pid));
  }, 50);
  try {
    for (const end = performance.now() + time; performance.now() < end; ) {
      await sleep(100);
      slowest = Math.max(slowest, await goodClient(ports.mx));
      good++;
    }
  } finally {
    clearInterval(look);
  }
  return { peak: Math.max(peak, residentOf(pid)), good, slowest };
}
