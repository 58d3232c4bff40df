// A crowd: as many connections as a server may have, held while they say nothing.

import { setTimeout as sleep } from "node:timers/promises";
import { Gone, Peer } from "./peer.ts";
import { cpuOf, residentOf } from "./processes.ts";
import { goodClient } from "./siege.ts";

export interface Crowd {
  readonly port: number;
  /** Of smtpd. */
  readonly pid: number;
  /** As many as the server takes. */
  readonly connections: number;
}

export interface Held {
  readonly held: number;
  /** Resident memory of smtpd, KiB. */
  readonly perConnection: number;
  /** A good client's message, ms: the median before there was a crowd, the slowest meanwhile. */
  readonly before: number;
  readonly slowest: number;
  /** What one too many heard, after how many ms. */
  readonly refusal: string;
  readonly refusedIn: number;
  /** Of so many more, CPU of smtpd for each, ms. */
  readonly refusals: number;
  readonly refusalCpu: number;
}

/** Connections from one address; the standard limit is 200. */
const PER_ADDRESS = 150;

/** That are made at a time. */
const AT_A_TIME = 50;

/** Good messages: before, and meanwhile. */
const GOOD = 20;

const REFUSALS = 1000;

/** From one address of 127.0.0.0/8 each so many; they are not bounded by network (smtp.exempt). */
const addressOf = (at: number): string => {
  const address = Math.floor(at / PER_ADDRESS);
  return `127.0.${2 + (address >> 7)}.${1 + (address & 127)}`;
};

/** Fills a server up with clients that were greeted and say nothing. */
export async function hold({ port, pid, connections }: Crowd): Promise<Held> {
  const times: number[] = [];
  for (let at = 0; at < GOOD; at++) times.push(await goodClient(port));
  const before = residentOf(pid);
  const crowd: Peer[] = [];
  try {
    // the good client has the last place
    while (crowd.length < connections - 1) {
      const more = Math.min(AT_A_TIME, connections - 1 - crowd.length);
      const from = crowd.length;
      crowd.push(
        ...(await Promise.all(Array.from({ length: more }, (_, at) => greeted(port, addressOf(from + at))))),
      );
    }
    const good: number[] = [];
    for (let at = 0; at < GOOD; at++) good.push(await retried(port));
    await sleep(1000);
    const perConnection = (residentOf(pid) - before) / crowd.length;
    crowd.push(await retry(() => greeted(port, "127.0.1.1")));
    const began = performance.now();
    const refusal = await lastWords(port);
    const refusedIn = performance.now() - began;
    const cpu = cpuOf(pid);
    for (let at = 0; at < REFUSALS; at += AT_A_TIME)
      await Promise.all(Array.from({ length: AT_A_TIME }, () => lastWords(port)));
    const refusalCpu = (cpuOf(pid) - cpu) / REFUSALS;
    const held = crowd.filter((peer) => !peer.gone).length;
    times.sort((a, b) => a - b);
    const slowest = Math.max(...good);
    return {
      held,
      perConnection,
      before: times[GOOD / 2] ?? 0,
      slowest,
      refusal,
      refusedIn,
      refusals: REFUSALS,
      refusalCpu,
    };
  } finally {
    for (const peer of crowd) peer.destroy();
  }
}

async function greeted(port: number, from: string): Promise<Peer> {
  const peer = await Peer.to(port, from);
  await peer.hear(/^220 .*\r\n/m);
  return peer;
}

/** The last place is free again when the one before has gone for good. */
async function retry<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt();
    } catch (thrown) {
      if (!(thrown instanceof Gone) || tries >= 200) throw thrown;
      await sleep(10);
    }
  }
}

const retried = (port: number): Promise<number> => retry(() => goodClient(port));

/** All that a client hears that says nothing. */
async function lastWords(port: number): Promise<string> {
  const peer = await Peer.to(port, "127.0.1.2");
  try {
    return await peer.hold();
  } catch (thrown) {
    if (thrown instanceof Gone) return thrown.message;
    throw thrown;
  } finally {
    peer.destroy();
  }
}
