// Whether a DNS list can be trusted now. Lists die, are sold, refuse big resolvers, answer "listed" to everything: mail must not suffer.

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Answer } from "#sys/resolver.ts";
import { codeFlaw } from "./dnsblentry.ts";

/** A list was switched off, or is used again. */
export interface ListAlert {
  readonly zone: string;
  readonly kind: "off" | "on";
  readonly why: string;
  /** ms since 1970: when an "off" list is tried again. */
  readonly until: number | undefined;
}

export type ListState =
  /** Its canaries have not been asked for yet. */
  | { readonly kind: "unproved" }
  | { readonly kind: "on" }
  | { readonly kind: "off"; readonly why: string; readonly until: number };

export interface HealthOptions {
  readonly zone: string;
  /** Looks up a name in the list. */
  readonly ask: (name: string) => Promise<Answer<string>>;
  /** Must not be listed. */
  readonly absent: string;
  /** Must be listed; undefined: the list has nothing for tests. */
  readonly present: string | undefined;
  readonly clock: Clock;
  readonly alert: (alert: ListAlert) => void;
}

export class ListHealth {
  readonly #options: HealthOptions;
  #proving: Promise<void> | undefined;
  /** Monotonic ms of the last proof that held. */
  #proved: number | undefined;
  /** Monotonic ms before which no proof is tried. */
  #nextProof = 0;
  #off: { readonly why: string; readonly until: number } | undefined;
  /** Unanswered questions, less half of the answered ones. */
  #failures = 0;
  /** Proofs without an answer, in a row. */
  #unproved = 0;
  /** Times switched off without a good while between; monotonic ms since when it has been well. */
  #offs = 0;
  #since = 0;
  /** Why the last alert said that it is off. */
  #alerted: string | undefined;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  get state(): ListState {
    const { clock } = this.#options;
    const left = (this.#off?.until ?? 0) - clock.monotonic();
    if (this.#off && left > 0) return { kind: "off", why: this.#off.why, until: clock.now() + left };
    return { kind: this.#proved === undefined ? "unproved" : "on" };
  }

  /** Undefined when the list may be asked; else why not. The first time, its canaries come first; later they are asked besides. */
  async ready(): Promise<string | undefined> {
    const now = this.#options.clock.monotonic();
    if (this.#off && this.#off.until > now) return this.#off.why;
    if (this.#proved === undefined) await this.#prove();
    else if (now - this.#proved >= limits.dnsbl.proveEvery && now >= this.#nextProof) void this.#prove();
    return this.#why();
  }

  /** Undefined when a listing may be believed: the canaries have sung within the last minute. Else why not. */
  async believable(): Promise<string | undefined> {
    const age = () => this.#options.clock.monotonic() - (this.#proved ?? Number.NEGATIVE_INFINITY);
    if (age() > limits.dnsbl.believe) await this.#prove();
    if (age() <= limits.dnsbl.believe) return undefined;
    return this.#why() ?? "its canaries got no answer";
  }

  /** A question was answered. */
  answered(): void {
    this.#failures = Math.max(0, this.#failures - 0.5);
  }

  /** A question was not answered. */
  unanswered(why: string): void {
    // of many clients that wait at once, the first few switch it off
    if (this.state.kind === "off") return;
    this.#failures++;
    if (this.#failures < limits.dnsbl.failures) return;
    this.#switchOff(silence(why), this.#growing(limits.dnsbl.silentFor, limits.dnsbl.silentMost));
  }

  /** The list answered what no list may. */
  lied(why: string): void {
    // an answer to a question that was asked before
    if (this.state.kind === "off") return;
    this.#switchOff(why, this.#growing(limits.dnsbl.lyingFor, limits.dnsbl.lyingMost));
  }

  #why(): string | undefined {
    const { state } = this;
    return state.kind === "off" ? state.why : undefined;
  }

  /** Twice as long each time. */
  #growing(first: number, most: number): number {
    const length = Math.min(first * 2 ** this.#offs, most);
    this.#offs++;
    return length;
  }

  #switchOff(why: string, length: number): void {
    const { zone, clock, alert } = this.#options;
    this.#off = { why, until: clock.monotonic() + length };
    this.#proved = undefined;
    this.#failures = 0;
    if (this.#alerted === why) return;
    this.#alerted = why;
    alert({ zone, kind: "off", why, until: clock.now() + length });
  }

  /** Asks the canaries; those who come meanwhile wait for the same answers. Never rejects. */
  #prove(): Promise<void> {
    this.#proving ??= this.#canaries().finally(() => {
      this.#proving = undefined;
    });
    return this.#proving;
  }

  async #canaries(): Promise<void> {
    const { ask, absent, present } = this.#options;
    const [first, second] = await Promise.all([
      ask(absent),
      present === undefined ? undefined : ask(present),
    ]);
    const flaw = presenceFlaw(second, present) ?? absenceFlaw(first, absent);
    if (flaw !== undefined) return this.lied(flaw);
    for (const answer of [first, second]) if (answer?.kind === "later") return this.#noProof(answer.why);
    this.#holds();
  }

  #noProof(why: string): void {
    const { clock } = this.#options;
    const wait = Math.min(limits.dnsbl.silentFor * 2 ** this.#unproved, limits.dnsbl.silentMost);
    this.#unproved++;
    this.#nextProof = clock.monotonic() + wait;
    if (this.#proved !== undefined) return this.unanswered(why);
    // without a proof it cannot be used; but one lost packet is no news
    if (this.#unproved >= limits.dnsbl.failures) this.#switchOff(silence(why), wait);
    else this.#off = { why: `its canaries got no answer (${why})`, until: this.#nextProof };
  }

  #holds(): void {
    const { zone, clock, alert } = this.#options;
    const now = clock.monotonic();
    if (this.#proved === undefined) this.#since = now;
    if (now - this.#since >= limits.dnsbl.proveEvery) this.#offs = 0;
    this.#off = undefined;
    this.#proved = now;
    this.#unproved = 0;
    this.answered();
    if (this.#alerted === undefined) return;
    this.#alerted = undefined;
    alert({ zone, kind: "on", why: "its canaries are right again", until: undefined });
  }
}

const silence = (why: string): string => `gives no answers (${why})`;

/** RFC 5782 §5: an entry that is never there; a list that has it lists everything. */
function absenceFlaw(answer: Answer<string>, name: string): string | undefined {
  if (answer.kind !== "found") return undefined;
  const [code = ""] = answer.records;
  return codeFlaw(code) ?? `lists "${name}", which no list may: it lists everything`;
}

/** RFC 5782 §5: an entry that is always there; a list without it is dead. */
function presenceFlaw(answer: Answer<string> | undefined, name = ""): string | undefined {
  if (answer?.kind === "none") return `does not list "${name}", its test entry: it is empty or gone`;
  if (answer?.kind !== "found") return undefined;
  for (const code of answer.records) {
    const flaw = codeFlaw(code);
    if (flaw !== undefined) return flaw;
  }
  return undefined;
}
