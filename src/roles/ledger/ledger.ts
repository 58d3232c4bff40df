// Ledger: answers what is remembered and takes in what happens (docs/ledger.md). All of it in memory: nothing here waits.

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { addressBytes, firstBits, formatAddress } from "#base/network.ts";
import type { SliceOf } from "#config/slice.ts";
import type { Logger } from "#log/logger.ts";
import type { Fate } from "#policy/replay/fate.ts";
import type { SessionRecord } from "#policy/replay/record.ts";
import { splitAddress } from "#wire/envelope.ts";
import { Bans, LEDGER } from "./bans.ts";
import { publicProviders } from "./providers.ts";
import {
  after,
  afterBan,
  afterJunk,
  banTime,
  guessesOf,
  isKnown,
  junkCounts,
  nobody,
  reputationOf,
  trapsOf,
} from "./reputation.ts";
import type { Subject, SubjectKind, Tables } from "./tables.ts";

const { ledger } = limits;

/** Of a network as long as its addresses have done nothing: what many of them did is held against it less. */
const NETWORK_SHARE = 2;
const NETWORK_GUESSES = 4;

export type LedgerSettings = Omit<SliceOf<"ledger">, "log" | "days" | "size">;

export interface LedgerOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly tables: Tables;
  readonly settings: LedgerSettings;
}

export interface Met {
  readonly ban?: { readonly until: number; readonly why: string };
  readonly known: boolean;
  readonly reputation: number;
  readonly guesses: number;
}

export type Greylisted = { readonly kind: "pass" } | { readonly kind: "wait"; readonly until: number };

/** The /24 or /64 that an address is in. */
export function networkOf(address: string): string {
  const bytes = addressBytes(address);
  if (!bytes) return address;
  const bits = bytes.length === 4 ? 24 : 64;
  return `${formatAddress(firstBits(bytes, bits))}/${bits}`;
}

const plain = (address: string): string => {
  const bytes = addressBytes(address);
  return bytes ? formatAddress(bytes) : address;
};

/** A name that does not lead to the client is another subject than the same name when it does. */
const helloKey = (hello: string, confirmed: boolean): string =>
  `${confirmed ? "" : "?"}${hello.toLowerCase()}`;

export class Ledger {
  readonly #options: LedgerOptions;
  readonly bans: Bans;
  settings: LedgerSettings;

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.settings = options.settings;
    this.bans = new Bans(options.tables.bans);
  }

  /** Who is this client? */
  meet(given: string): Met {
    const now = this.#now;
    const address = plain(given);
    const [one, network] = [this.#subject("address", address), this.#subject("network", networkOf(address))];
    const ban = this.bans.of(address, now);
    const [own, others] = [reputationOf(one, now), Math.ceil(reputationOf(network, now) / NETWORK_SHARE)];
    return {
      ...(ban ? { ban: { until: ban.until, why: ban.why } } : {}),
      known: isKnown(one, now),
      // good neighbours make nobody good, bad ones nobody worse who has a good name of his own
      reputation: own > 0 ? own : Math.min(own, others, 0),
      guesses: Math.max(guessesOf(one, now), Math.floor(guessesOf(network, now) / NETWORK_GUESSES)),
    };
  }

  /** Whether our users write to this address, or to its domain. */
  correspondent(address: string): boolean {
    const { correspondents } = this.#options.tables;
    const folded = address.toLowerCase();
    if (correspondents.get(folded, this.#now)) return true;
    const { domain } = splitAddress(folded);
    return domain !== "" && correspondents.get(`@${domain}`, this.#now) !== undefined;
  }

  /** Our users wrote to these. */
  wrote(recipients: readonly string[]): void {
    const until = this.#now + ledger.correspondentLife;
    const { correspondents } = this.#options.tables;
    for (const recipient of recipients) {
      const folded = recipient.toLowerCase();
      const { domain } = splitAddress(folded);
      correspondents.put(folded, { until });
      if (domain !== "" && !publicProviders.has(domain)) correspondents.put(`@${domain}`, { until });
    }
  }

  /** May these three meet? `who`: a network, or the domain that vouches for the client. */
  greylist(who: string, sender: string, recipient: string): Greylisted {
    const now = this.#now;
    const { passed, waiting } = this.#options.tables;
    const whose = who.toLowerCase();
    const pass = (): Greylisted => {
      passed.put(whose, { until: now + ledger.passedLife });
      return { kind: "pass" };
    };
    if (passed.get(whose, now)) return pass();
    // addresses cannot hold a line end
    const three = [whose, sender, recipient].join("\n").toLowerCase();
    const met = waiting.get(three, now);
    const until = (met?.at ?? now) + this.settings.greylistDelay;
    if (!met) waiting.put(three, { at: now });
    if (until > now) return { kind: "wait", until };
    waiting.remove(three);
    return pass();
  }

  /** What is thought of a HELO and of a sender domain. */
  regard(hello: string, confirmed: boolean, domain: string): { hello: number; domain: number } {
    const now = this.#now;
    return {
      hello: hello === "" ? 0 : reputationOf(this.#subject("hello", helloKey(hello, confirmed)), now),
      domain: domain === "" ? 0 : reputationOf(this.#subject("domain", domain.toLowerCase()), now),
    };
  }

  /** How a session went. */
  note(session: SessionRecord): void {
    const address = plain(session.ip);
    const network = networkOf(address);
    const one = this.#update("address", address, session);
    const all = this.#update("network", network, session);
    if (session.hello !== "") this.#update("hello", helloKey(session.hello, session.confirmed), session);
    if (session.domain !== "") this.#update("domain", session.domain.toLowerCase(), session);
    this.#remember(session, address);
    this.#defend(address, network, { one, all, trapped: session.traps > 0 });
  }

  /** What became of a message: who brings what people throw into Junk is no better for having brought it. */
  became({ mail, fate }: Fate): void {
    if (fate === "delivered") return;
    const now = this.#now;
    const { letters, subjects } = this.#options.tables;
    const letter = letters.get(mail, now);
    const back = fate === "kept";
    if (!letter || (letter.junked === true) !== back) return;
    if (!back && !junkCounts(this.#subject("address", letter.address), now)) return;
    letters.put(mail, { ...letter, junked: !back });
    for (const kind of ["address", "hello", "domain"] as const) {
      const key = letter[kind];
      if (key !== "") subjects[kind].put(key, afterJunk(this.#subject(kind, key), kind, { back, now }));
    }
  }

  #remember({ mail = [], hello, confirmed, domain }: SessionRecord, address: string): void {
    const at = this.#now;
    const names = { hello: hello === "" ? "" : helloKey(hello, confirmed), domain: domain.toLowerCase() };
    for (const id of mail) this.#options.tables.letters.put(id, { at, address, ...names });
  }

  get #now(): number {
    return this.#options.clock.now();
  }

  #subject(kind: SubjectKind, key: string): Subject {
    return this.#options.tables.subjects[kind].get(key, this.#now) ?? nobody;
  }

  #update(kind: SubjectKind, key: string, session: SessionRecord): Subject {
    const before = this.#subject(kind, key);
    const next = after(before, session, kind, this.#now);
    // most sessions of clients that only look say nothing
    if (before !== nobody || next.score !== 0 || next.guesses !== 0)
      this.#options.tables.subjects[kind].put(key, next);
    return next;
  }

  /** Bans who goes on guessing, and who writes to traps again. */
  #defend(
    address: string,
    network: string,
    { one, all, trapped }: { readonly one: Subject; readonly all: Subject; readonly trapped: boolean },
  ): void {
    const now = this.#now;
    if (this.settings.ban === 0 || isKnown(one, now)) return;
    const guesses = guessesOf(one, now);
    if (guesses >= ledger.guessesBan)
      this.#ban("address", address, one, `asked for ${guesses} recipients that do not exist`);
    else if (trapped && trapsOf(one, now) >= 2)
      this.#ban("address", address, one, `wrote to traps ${trapsOf(one, now)} times`);
    const together = guessesOf(all, now);
    if (together >= ledger.guessesBanNetwork)
      this.#ban("network", network, all, `its addresses asked for ${together} recipients that do not exist`);
  }

  #ban(kind: "address" | "network", client: string, subject: Subject, why: string): void {
    const now = this.#now;
    const until = now + banTime(subject, this.settings.ban, now);
    if (!this.bans.add(client, { until, since: now, why, author: LEDGER }, now)) return;
    this.#options.tables.subjects[kind].put(client, afterBan(subject, now));
    this.#options.log.event("ledger_ban", {
      client,
      until: new Date(until).toISOString(),
      why,
      author: LEDGER,
    });
  }
}
