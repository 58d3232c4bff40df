// DNS block and allow lists (RFC 5782): which lists hold a client's address or a domain, and how much that weighs. See docs/dnsbl.md.

import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { addressBytes } from "#base/network.ts";
import { type Answer, type Resolver, reversedLabels } from "#sys/resolver.ts";
import { ask } from "./ask.ts";
import { codeFlaw, countsCode, type ListEntry } from "./dnsblentry.ts";
import { type ListAlert, ListHealth, type ListState } from "./dnsblhealth.ts";
import { plainName } from "./names.ts";

export interface Listing {
  /** The entry of the configuration. */
  readonly entry: string;
  /** Without a key: it may be shown to the client. */
  readonly zone: string;
  readonly kind: "black" | "white";
  readonly weight: number;
  /** The return codes that the entry counts, in order. */
  readonly codes: readonly string[];
  /** What the list says about it, in printable ASCII, cut; undefined: nothing. */
  readonly text: string | undefined;
}

export interface Checked {
  /** In the order of the configuration. */
  readonly listings: readonly Listing[];
  /** Sum of the weights. */
  readonly score: number;
  /** Lists that are off or gave no answer; nothing is known from them. */
  readonly unanswered: readonly { readonly zone: string; readonly why: string }[];
}

export interface BlocklistOptions {
  readonly entries: readonly ListEntry[];
  readonly resolver: Resolver;
  readonly clock: Clock;
  /** Called when a list is switched off or used again; must not throw. */
  readonly alert: (alert: ListAlert) => void;
}

/** The entries of one zone: they share its answers and its health. */
interface List {
  readonly zone: string;
  readonly shown: string;
  readonly of: ListEntry["of"];
  readonly entries: readonly ListEntry[];
  readonly health: ListHealth;
}

type Looked =
  | { readonly kind: "answered"; readonly listings: ReadonlyMap<ListEntry, Listing> }
  | { readonly kind: "unanswered"; readonly why: string };

const NOTHING: Checked = { listings: [], score: 0, unanswered: [] };
/** Questions have 253 characters at most. */
const LONGEST_NAME = 253;

export class Blocklists {
  readonly #lists: readonly List[];
  readonly #entries: readonly ListEntry[];
  readonly #resolver: Resolver;
  readonly #clock: Clock;

  /** Entries beyond `limits.dnsbl.lists` are not used; the configuration refuses them before. */
  constructor({ entries, resolver, clock, alert }: BlocklistOptions) {
    this.#resolver = resolver;
    this.#clock = clock;
    this.#entries = entries.slice(0, limits.dnsbl.lists);
    const zones = Map.groupBy(this.#entries, ({ of, zone }) => `${of} ${zone}`);
    this.#lists = [...zones.values()].map((group) => this.#list(group, alert));
  }

  /** The lists that hold an address, IPv4 or IPv6 (RFC 5782 §2.1, §2.4). What is no address is on none. Never rejects. */
  async checkAddress(address: string): Promise<Checked> {
    const bytes = addressBytes(address);
    return bytes ? this.#check("addresses", reversedLabels(bytes)) : NOTHING;
  }

  /** The lists that hold a domain (RFC 5782 §3). Addresses and what is no domain are on none. Never rejects. */
  async checkDomain(domain: string): Promise<Checked> {
    const name = plainName(domain);
    return name === undefined ? NOTHING : this.#check("domains", name);
  }

  /** Asks the canaries of all lists, so that the first client need not wait for them. Never rejects. */
  async prove(): Promise<void> {
    await Promise.all(this.#lists.map(({ health }) => health.ready()));
  }

  /** How each list stands. */
  get states(): readonly {
    readonly zone: string;
    readonly of: ListEntry["of"];
    readonly state: ListState;
  }[] {
    return this.#lists.map(({ shown, of, health }) => ({ zone: shown, of, state: health.state }));
  }

  #list(entries: readonly ListEntry[], alert: (alert: ListAlert) => void): List {
    const [{ zone, shown, of, canary }] = entries as readonly [ListEntry];
    const [absent, present] = of === "addresses" ? ["127.0.0.1", "127.0.0.2"] : ["invalid", "test"];
    const health = new ListHealth({
      zone: shown,
      absent,
      present: canary === "none" ? undefined : (canary ?? present),
      ask: (name) => this.#ask(of === "addresses" ? labelsOf(name) : name, { zone, shown }),
      clock: this.#clock,
      alert,
    });
    return { zone, shown, of, entries, health };
  }

  async #ask(labels: string, { zone, shown }: Pick<List, "zone" | "shown">): Promise<Answer<string>> {
    const answer = await ask(this.#clock, limits.dnsbl.time, () => this.#resolver.a(`${labels}.${zone}`));
    // resolvers quote the name that they were asked for
    return answer.kind === "later" ? { ...answer, why: answer.why.replaceAll(zone, shown) } : answer;
  }

  async #check(of: ListEntry["of"], labels: string): Promise<Checked> {
    const lists = this.#lists.filter(
      (list) => list.of === of && labels.length + 1 + list.zone.length <= LONGEST_NAME,
    );
    const looked = await Promise.all(lists.map((list) => this.#look(list, labels)));
    const unanswered = lists.flatMap(({ shown }, at) => {
      const one = looked[at];
      return one?.kind === "unanswered" ? [{ zone: shown, why: one.why }] : [];
    });
    const found = new Map(looked.flatMap((one) => (one.kind === "answered" ? [...one.listings] : [])));
    const listings = this.#entries.flatMap((entry) => found.get(entry) ?? []);
    return { listings, score: listings.reduce((sum, { weight }) => sum + weight, 0), unanswered };
  }

  async #look(list: List, labels: string): Promise<Looked> {
    const { zone, entries, health } = list;
    const off = await health.ready();
    if (off !== undefined) return { kind: "unanswered", why: off };
    const answer = await this.#ask(labels, list);
    if (answer.kind === "later") {
      health.unanswered(answer.why);
      return { kind: "unanswered", why: answer.why };
    }
    health.answered();
    if (answer.kind === "none") return { kind: "answered", listings: new Map() };
    for (const code of answer.records) {
      const flaw = codeFlaw(code);
      if (flaw === undefined) continue;
      health.lied(flaw);
      return { kind: "unanswered", why: flaw };
    }
    const codes = answer.records.toSorted();
    const counted = entries.filter((entry) => codes.some((code) => countsCode(entry, code)));
    if (counted.length === 0) return { kind: "answered", listings: new Map() };
    const doubt = await health.believable();
    if (doubt !== undefined) return { kind: "unanswered", why: doubt };
    const text = await this.#text(`${labels}.${zone}`);
    const listings = new Map(counted.map((entry) => [entry, listingOf(entry, codes, text)]));
    return { kind: "answered", listings };
  }

  async #text(name: string): Promise<string | undefined> {
    const answer = await ask(this.#clock, limits.dnsbl.textTime, () => this.#resolver.txt(name));
    const [text = ""] = answer.kind === "found" ? answer.records : [];
    return (
      text
        .slice(0, limits.dnsbl.text)
        .replaceAll(/[^ -~]/g, "?")
        .trim() || undefined
    );
  }
}

function labelsOf(address: string): string {
  const bytes = addressBytes(address);
  // parseListEntry() has made sure that a canary is an address
  return bytes ? reversedLabels(bytes) : address;
}

function listingOf(entry: ListEntry, codes: readonly string[], text: string | undefined): Listing {
  const { weight } = entry;
  return {
    entry: entry.text,
    zone: entry.shown,
    kind: weight > 0 ? "black" : "white",
    weight,
    codes: codes.filter((code) => countsCode(entry, code)),
    text,
  };
}
