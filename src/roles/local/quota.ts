// Quota: how much lies in the mailboxes that may not hold everything. Counted when it must be known, kept for a while, and told to auth, which
// refuses at RCPT what does not fit (docs/directory.md).

import { type Clock, repeat, type Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import type { Logger } from "#log/logger.ts";
import { type MaildirUse, useOf } from "#store/maildir/use.ts";
import type { Disk } from "#sys/disk.ts";
import type { MailboxQuota, Use } from "#talk/lookup.ts";

export interface QuotaKeeperOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  /** Auth hears of it; nobody waits. */
  readonly tell: (use: Use) => void;
}

interface Counted {
  bytes: number;
  messages: number;
  /** On the monotonic clock. */
  readonly at: number;
}

/** A mailbox with deliveries under way. */
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
  /** By Maildir. */
  readonly #counted = new Map<string, Counted>();
  readonly #busy = new Map<string, Busy>();
  /** Those that were full when we looked last. */
  readonly #full = new Map<string, MailboxQuota>();
  readonly #looking: Timer;

  constructor(options: QuotaKeeperOptions) {
    this.#options = options;
    const every = limits.directory.usage.recount;
    this.#looking = repeat(options.clock, { first: every, every }, () => this.look());
  }

  /** Runs a delivery into a mailbox with a quota, which asks whether so many bytes more fit before it puts them there. */
  async deliver<T>(
    maildir: string,
    quota: MailboxQuota,
    work: (mayAdd: (bytes: number) => Promise<boolean>) => Promise<T>,
  ): Promise<T> {
    const busy = this.#busy.get(maildir) ?? { turn: Promise.resolve(), admitted: new Set(), users: 0 };
    this.#busy.set(maildir, busy);
    busy.users++;
    const arrived = Promise.withResolvers<void>();
    const mayAdd = (bytes: number) => {
      const decision = busy.turn.then(async () => {
        const yes = await this.#admit(maildir, { quota, bytes, busy });
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
      this.#counted.delete(maildir);
      throw thrown;
    } finally {
      busy.admitted.delete(arrived.promise);
      arrived.resolve();
      if (--busy.users === 0) this.#busy.delete(maildir);
    }
  }

  /** Whether so many bytes more fit; then they count from now on. Trouble when the Maildir cannot be read. */
  async #admit(
    maildir: string,
    { quota, bytes, busy }: { readonly quota: MailboxQuota; readonly bytes: number; readonly busy: Busy },
  ): Promise<boolean> {
    const known = this.#counted.get(maildir);
    const fresh = known && this.#options.clock.monotonic() - known.at < LIFE;
    let use = known;
    if (!use || !fresh || !fits(use, quota, bytes)) {
      // people may have made room since. What was let in and is not there yet could not be counted
      await Promise.all(busy.admitted);
      use = await this.#count(maildir);
    }
    const admitted = fits(use, quota, bytes);
    if (admitted) {
      use.bytes += bytes;
      use.messages++;
    } else this.#full.set(maildir, quota);
    this.#tell(maildir, use);
    return admitted;
  }

  /** Looks into those that were full, so that mail for them is taken as soon as there is room. Never rejects. */
  async look(): Promise<void> {
    for (const [maildir, quota] of [...this.#full]) {
      try {
        // not kept: a delivery may be on its way
        const use = await useOf(this.#options.disk, maildir);
        this.#tell(maildir, use);
        // who has room for one octet is full no more; what does not fit is told again when it comes
        if (fits(use, quota, 1)) this.#full.delete(maildir);
      } catch (thrown) {
        this.#full.delete(maildir);
        this.#options.log.event("trouble", { text: `Cannot count ${maildir}: ${messageOf(thrown)}` });
      }
    }
  }

  close(): void {
    this.#looking.cancel();
  }

  async #count(maildir: string): Promise<Counted> {
    const use = await useOf(this.#options.disk, maildir);
    const counted = { ...use, at: this.#options.clock.monotonic() };
    if (this.#counted.size >= ENTRIES) this.#counted.clear();
    this.#counted.set(maildir, counted);
    return counted;
  }

  #tell(maildir: string, { bytes, messages }: MaildirUse): void {
    this.#options.tell({ maildir, bytes, messages });
  }
}

const fits = (use: MaildirUse, quota: MailboxQuota, bytes: number): boolean =>
  (quota.bytes === 0 || use.bytes + bytes <= quota.bytes) &&
  (quota.messages === 0 || use.messages + 1 <= quota.messages);
