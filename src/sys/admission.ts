// Admission: who may come in. Connections are counted over all listeners of a process, for each address and for each network, and new
// ones are bounded by the minute, in bounded memory.

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { type Networks, networkOf } from "#base/network.ts";

/** Which bound a connection would break; "stranger": the listener does not serve its address. */
export type Refusal =
  | "connections"
  | "listener"
  | "address"
  | "network"
  | "addressRate"
  | "networkRate"
  | "stranger";

export interface SharedBounds {
  /** Connections of all listeners together. */
  readonly connections: number;
  /** Not bounded by network and rate. */
  readonly exempt: Networks;
}

export interface EntranceBounds {
  /** Connections of this listener. */
  readonly connections: number;
  readonly perAddress: number;
  readonly perNetwork: number;
  /** New ones a minute; 0: any number. */
  readonly ratePerAddress: number;
  readonly ratePerNetwork: number;
}

const MINUTE = 60_000;

/** One per process. */
export class Admission {
  readonly addresses = new Tally();
  readonly networks = new Tally();
  readonly addressRates: Rates;
  readonly networkRates: Rates;
  /** Connections that are in. */
  count = 0;
  readonly #shared: () => SharedBounds;

  /** What `shared` gives may change; it is asked for every connection. */
  constructor(clock: Clock, shared: () => SharedBounds) {
    this.#shared = shared;
    this.addressRates = new Rates(clock);
    this.networkRates = new Rates(clock);
  }

  get shared(): SharedBounds {
    return this.#shared();
  }

  /** The way in through one listener. */
  entrance(bounds: () => EntranceBounds): Entrance {
    return new Entrance(this, bounds);
  }
}

export class Entrance {
  readonly #admission: Admission;
  readonly #bounds: () => EntranceBounds;
  #count = 0;

  constructor(admission: Admission, bounds: () => EntranceBounds) {
    this.#admission = admission;
    this.#bounds = bounds;
  }

  /** Lets a connection in, or says why not. Undefined as address: a proxy has yet to say who it is; then `identify` follows. */
  enter(address: string | undefined): Refusal | undefined {
    const admission = this.#admission;
    if (admission.count >= admission.shared.connections) return "connections";
    if (this.#count >= this.#bounds().connections) return "listener";
    const refusal = address === undefined ? undefined : this.identify(address);
    if (refusal) return refusal;
    admission.count++;
    this.#count++;
    return undefined;
  }

  /** Counts a connection for its address, or says why it must leave (with no address). */
  identify(address: string): Refusal | undefined {
    const { addresses, networks, addressRates, networkRates } = this.#admission;
    const { perAddress, perNetwork, ratePerAddress, ratePerNetwork } = this.#bounds();
    const network = networkOf(address);
    if (addresses.of(address) >= perAddress) return "address";
    const refusal =
      (networks.of(network) >= perNetwork ? "network" : undefined) ??
      (addressRates.exceeds(address, ratePerAddress) ? "addressRate" : undefined) ??
      (networkRates.exceeds(network, ratePerNetwork) ? "networkRate" : undefined);
    // looked up only for those who need it
    if (refusal && !this.#admission.shared.exempt.has(address)) return refusal;
    addresses.add(address);
    networks.add(network);
    if (refusal) return undefined;
    addressRates.count(address, ratePerAddress);
    networkRates.count(network, ratePerNetwork);
    return undefined;
  }

  /** A connection that was let in has ended. */
  leave(address: string | undefined): void {
    this.#admission.count--;
    this.#count--;
    if (address === undefined) return;
    this.#admission.addresses.remove(address);
    this.#admission.networks.remove(networkOf(address));
  }
}

/** How many there are of each. */
class Tally {
  readonly #counts = new Map<string, number>();

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  add(key: string): void {
    this.#counts.set(key, this.of(key) + 1);
  }

  remove(key: string): void {
    const left = this.of(key) - 1;
    if (left > 0) this.#counts.set(key, left);
    else this.#counts.delete(key);
  }
}

/**
 * How often something happened within about a minute. For each key only one number is kept: by when everything that happened is
 * forgotten again, if it happens no more (a bucket that leaks, seen from its end). What happens at another rate counts the more the
 * lower that rate is.
 */
export class Rates {
  readonly #clock: Clock;
  readonly #most: number;
  /** In the order they were last counted. */
  readonly #ends = new Map<string, number>();

  /** Keeps at most so many keys; the one that has been quiet the longest is forgotten first. */
  constructor(clock: Clock, most: number = limits.admission.remembered) {
    this.#clock = clock;
    this.#most = most;
  }

  get size(): number {
    return this.#ends.size;
  }

  /** Whether one more would be more than `rate` a minute. */
  exceeds(key: string, rate: number): boolean {
    const end = this.#ends.get(key);
    return rate > 0 && end !== undefined && end + MINUTE / rate > this.#clock.monotonic() + MINUTE;
  }

  /** One more. */
  count(key: string, rate: number): void {
    if (rate === 0) return;
    const now = this.#clock.monotonic();
    const end = Math.max(this.#ends.get(key) ?? 0, now) + MINUTE / rate;
    this.#ends.delete(key);
    this.#ends.set(key, end);
    this.#forget(now);
  }

  /** Two for each that is counted, so that what is over does not stay. */
  #forget(now: number): void {
    for (let looks = 0; looks < 2; looks++) {
      const [oldest] = this.#ends;
      if (!oldest || (oldest[1] > now && this.#ends.size <= this.#most)) return;
      this.#ends.delete(oldest[0]);
    }
  }
}
