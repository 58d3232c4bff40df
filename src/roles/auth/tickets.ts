// Tickets: auth gives one for a login at the gate, the reader redeems it once; one that is not redeemed soon is worth nothing.

import { randomBytes } from "node:crypto";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";

export interface Holder {
  readonly account: string;
  readonly maildir: string;
}

/** 192 bits: not to be guessed within its life. */
const BYTES = 24;

interface Ticket {
  readonly holder: Holder;
  readonly expires: number;
}

export class Tickets {
  readonly #clock: Clock;
  /** In the order of expiry. */
  readonly #open = new Map<string, Ticket>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#open.size;
  }

  /** A new ticket; when too many are open the oldest is worth nothing from now on. */
  issue(holder: Holder): string {
    const now = this.#clock.monotonic();
    for (const [ticket, { expires }] of this.#open) {
      if (expires > now && this.#open.size < limits.login.tickets) break;
      this.#open.delete(ticket);
    }
    const ticket = randomBytes(BYTES).toString("base64url");
    this.#open.set(ticket, { holder, expires: now + limits.login.ticketLife });
    return ticket;
  }

  /** Whose it is, the first time and within its life. */
  redeem(ticket: string): Holder | undefined {
    const found = this.#open.get(ticket);
    this.#open.delete(ticket);
    return found && found.expires > this.#clock.monotonic() ? found.holder : undefined;
  }
}
