// Routes: which domains are ours, as auth says; believed for a few seconds.

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Caller } from "#talk/caller.ts";
import { isLocal } from "#talk/lookup.ts";

/** Domains remembered at most. */
const MOST = 10_000;

interface Known {
  readonly local: boolean;
  readonly until: number;
}

export class Routes {
  readonly #auth: Caller;
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();
  readonly #asked = new Map<string, Promise<boolean>>();

  constructor(auth: Caller, clock: Clock) {
    this.#auth = auth;
    this.#clock = clock;
  }

  /** Whether mail for a domain is delivered here; at once when it is known. Rejects with Trouble when auth is away. */
  local(domain: string): boolean | Promise<boolean> {
    const known = this.#known.get(domain);
    if (known && known.until > this.#clock.monotonic()) return known.local;
    // no such question can be asked; remote will say what is wrong with it
    if (domain.length > limits.smtp.domain) return false;
    const asked = this.#asked.get(domain);
    if (asked !== undefined) return asked;
    const asking = this.#ask(domain).finally(() => this.#asked.delete(domain));
    this.#asked.set(domain, asking);
    return asking;
  }

  async #ask(domain: string): Promise<boolean> {
    const { local } = await this.#auth.ask(isLocal, { domain });
    if (this.#known.size >= MOST) this.#known.clear();
    this.#known.set(domain, { local, until: this.#clock.monotonic() + limits.queue.localDomain });
    return local;
  }
}
