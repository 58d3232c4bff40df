// Quota: how much lies in the mailboxes that may not hold everything. Counted when it must be known, kept for a while, and told to auth, which
// refuses at RCPT what does not fit (docs/directory.md).

import { type Clock, repeat, type Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import type { Logger } from "#log/logger.ts";
import { type MaildirUse, useBelow, useOf } from "#store/maildir/use.ts";
import type { Disk } from "#sys/disk.ts";
import type { MailboxQuota, Use } from "#talk/lookup.ts";

export interface QuotaKeeperOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  /** Auth hears of it; nobody waits. */
  readonly tell: (use: Use) => void;
}

/** A quota, and of what. */
export interface Bound {
  /** A Maildir, or a directory with many of them. */
  readonly at: string;
  readonly quota: MailboxQuota;
  readonly many: boolean;
}

/** Whether so many bytes more may come; then they count from now on. */
type MayAdd = (bytes: number) => Promise<boolean>;

interface Counted {
  bytes: number;
  messages: number;
  /** On the monotonic clock. */
  readonly at: number;
}

/** A bound with deliveries under way. */
interface Busy {
  /** One decides at a time. */
  turn: Promise<unknown>;
  /** Deliveries that were let in and are not there yet. */
  readonly admitted: Set<Promise<unknown>>;
  /** Deliveries, those that wait for their turn among them. */
  users: number;
}

/** Readers take messages out and other programs put some in: what was counted is counted anew after this. */
const LIFE = 300_000;
const ENTRIES = 10_000;

export class QuotaKeeper {
  readonly #options: QuotaKeeperOptions;
  /** These by the places of their bounds. */
  readonly #counted = new Map<string, Counted>();
  readonly #busy = new Map<string, Busy>();
  /** Those that were full when we looked last. */
  readonly #full = new Map<string, Bound>();
  readonly #looking: Timer;

  constructor(options: QuotaKeeperOptions) {
    this.#options = options;
    const every = limits.directory.usage.recount;
    this.#looking = repeat(options.clock, { first: every, every }, () => this.look());
  }

  /** Runs a delivery within bounds, which asks whether so many bytes more fit before it puts them there. */
  deliver<T>(bounds: readonly Bound[], work: (mayAdd: MayAdd) => Promise<T>): Promise<T> {
    const [bound, ...others] = bounds;
    if (!bound) return work(async () => true);
    return this.#within(bound, (here) =>
      this.deliver(others, (elsewhere) =>
        work(async (bytes) => {
          if (!(await here(bytes))) return false;
          if (await elsewhere(bytes)) return true;
          // it was let in here and does not come
          this.#counted.delete(bound.at);
          return false;
        }),
      ),
    );
  }

  async #within<T>(bound: Bound, work: (mayAdd: MayAdd) => Promise<T>): Promise<T> {
    const { at } = bound;
    const busy = this.#busy.get(at) ?? { turn: Promise.resolve(), admitted: new Set(), users: 0 };
    this.#busy.set(at, busy);
    busy.users++;
    const arrived = Promise.withResolvers<void>();
    const mayAdd: MayAdd = (bytes) => {
      const decision = busy.turn.then(async () => {
        const yes = await this.#admit(bound, bytes, busy);
        if (yes) busy.admitted.add(arrived.promise);
        return yes;
      });
      busy.turn = decision.catch(() => {});
      return decision;
    };
    try {
      return await work(mayAdd);
    } catch (thrown) {
      // what was let in has not come
      this.#counted.delete(at);
      throw thrown;
    } finally {
      busy.admitted.delete(arrived.promise);
      arrived.resolve();
      if (--busy.users === 0) this.#busy.delete(at);
    }
  }

  /** Trouble when it cannot be counted. */
  async #admit(bound: Bound, bytes: number, busy: Busy): Promise<boolean> {
    const { at, quota } = bound;
    let use = this.#counted.get(at);
    if (!use || this.#options.clock.monotonic() - use.at >= LIFE || !fits(use, quota, bytes)) {
      // people may have made room since. What was let in and is not there yet could not be counted
      await Promise.all(busy.admitted);
      use = await this.#count(bound);
    }
    const admitted = fits(use, quota, bytes);
    if (admitted) {
      use.bytes += bytes;
      use.messages++;
    } else this.#full.set(at, bound);
    this.#tell(at, use);
    return admitted;
  }

  /** Looks at what was full, so that mail is taken again as soon as there is room. Never rejects. */
  async look(): Promise<void> {
    for (const [at, bound] of [...this.#full]) {
      try {
        // not kept: a delivery may be on its way
        const use = await this.#use(bound);
        this.#tell(at, use);
        // who has room for one octet is full no more; what does not fit is told again when it comes
        if (fits(use, bound.quota, 1)) this.#full.delete(at);
      } catch (thrown) {
        this.#full.delete(at);
        this.#options.log.event("trouble", { text: `Cannot count ${at}: ${messageOf(thrown)}` });
      }
    }
  }

  close(): void {
    this.#looking.cancel();
  }

  async #count(bound: Bound): Promise<Counted> {
    const counted = { ...(await this.#use(bound)), at: this.#options.clock.monotonic() };
    if (this.#counted.size >= ENTRIES) this.#counted.clear();
    this.#counted.set(bound.at, counted);
    return counted;
  }

  #use({ at, many }: Bound): Promise<MaildirUse> {
    return many ? useBelow(this.#options.disk, at) : useOf(this.#options.disk, at);
  }

  #tell(at: string, { bytes, messages }: MaildirUse): void {
    this.#options.tell({ at, bytes, messages });
  }
}

const fits = (use: MaildirUse, quota: MailboxQuota, bytes: number): boolean =>
  (quota.bytes === 0 || use.bytes + bytes <= quota.bytes) &&
  (quota.messages === 0 || use.messages + 1 <= quota.messages);
