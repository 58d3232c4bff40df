// DNS with three answers: found, there is none, try later. "None" only when a server said so; whatever else happens is "later".

import dns from "node:dns";
import net from "node:net";
import { domainToASCII } from "node:url";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { addressBytes } from "#base/network.ts";
import { codeOf, messageOf } from "#base/problem.ts";
import { type QueryType, query } from "./query.ts";

export type Answer<T> =
  | { readonly kind: "found"; readonly records: readonly T[] }
  | { readonly kind: "none" }
  | { readonly kind: "later"; readonly why: string };

export interface MxRecord {
  readonly preference: number;
  /** "" for the null MX (RFC 7505). */
  readonly exchange: string;
}

export interface Resolver {
  mx(domain: string): Promise<Answer<MxRecord>>;
  /** IPv4 and IPv6 addresses; an address is its own answer. */
  addresses(host: string): Promise<Answer<string>>;
  /** IPv4 addresses of a name only; a text that is an address is no name. */
  a(name: string): Promise<Answer<string>>;
  /** IPv6 addresses of a name only; a text that is an address is no name. */
  aaaa(name: string): Promise<Answer<string>>;
  /** Names of an address; of an IPv4 address in IPv6 clothes as of the IPv4 address. */
  ptr(address: string): Promise<Answer<string>>;
  /** Each record with its strings joined. */
  txt(name: string): Promise<Answer<string>>;
}

/** What a server says when there is no such name or no such record. EBADNAME: a name that cannot exist. */
const NONE: ReadonlySet<string> = new Set(["ENOTFOUND", "ENODATA", "EBADNAME"]);

interface Kept {
  readonly answer: Promise<Answer<unknown>>;
  /** Monotonic ms; Infinity while the question is under way. */
  until: number;
}

interface Found<T> {
  readonly records: readonly T[];
  /** Seconds. */
  readonly ttl?: number;
}

export interface ResolverOptions {
  /** "address:port" each; empty: the system's. */
  readonly servers: readonly string[];
  readonly clock: Clock;
  readonly timeout?: number;
  readonly attempts?: number;
}

/** The real one: c-ares asks, follows CNAMEs and repeats by TCP what was cut; equal questions under way are asked once. */
export class NetworkResolver implements Resolver {
  readonly #clock: Clock;
  readonly #asker: dns.promises.Resolver;
  readonly #timeout: number;
  readonly #attempts: number;
  readonly #kept = new Map<string, Kept>();

  constructor({
    servers,
    clock,
    timeout = limits.dns.timeout,
    attempts = limits.dns.attempts,
  }: ResolverOptions) {
    this.#clock = clock;
    this.#timeout = timeout;
    this.#attempts = attempts;
    this.#asker = new dns.promises.Resolver({ timeout, tries: attempts, maxTimeout: timeout });
    if (servers.length > 0) this.#asker.setServers([...servers]);
  }

  mx(domain: string): Promise<Answer<MxRecord>> {
    return this.#ask(
      "mx",
      domain,
      async (name) => {
        const records = await this.#asker.resolveMx(name);
        return { records: records.map(({ priority, exchange }) => ({ preference: priority, exchange })) };
      },
      (name) => this.#query("MX", name, mxOf),
    );
  }

  async addresses(host: string): Promise<Answer<string>> {
    if (net.isIP(host)) return { kind: "found", records: [host] };
    const answers = await Promise.all([this.aaaa(host), this.a(host)]);
    const records = answers.flatMap((answer) => (answer.kind === "found" ? answer.records : []));
    if (records.length > 0) return { kind: "found", records };
    return answers.find(({ kind }) => kind === "later") ?? { kind: "none" };
  }

  a(name: string): Promise<Answer<string>> {
    if (net.isIP(name)) return Promise.resolve({ kind: "none" });
    return this.#ask(
      "a",
      name,
      async (ascii) => withTtl(await this.#asker.resolve4(ascii, { ttl: true })),
      (odd) => this.#query("A", odd, String),
    );
  }

  aaaa(name: string): Promise<Answer<string>> {
    if (net.isIP(name)) return Promise.resolve({ kind: "none" });
    return this.#ask(
      "aaaa",
      name,
      async (ascii) => withTtl(await this.#asker.resolve6(ascii, { ttl: true })),
      (odd) => this.#query("AAAA", odd, String),
    );
  }

  ptr(address: string): Promise<Answer<string>> {
    const bytes = addressBytes(address);
    if (!bytes) return Promise.resolve({ kind: "none" });
    // not reverse(): it looks into the hosts file too, and takes a server's failure for "there is none"
    return this.#ask("ptr", reverseName(bytes), async (name) => ({
      records: await this.#asker.resolvePtr(name),
    }));
  }

  txt(name: string): Promise<Answer<string>> {
    return this.#ask(
      "txt",
      name,
      async (ascii) => {
        const records = await this.#asker.resolveTxt(ascii);
        return { records: records.map((strings) => strings.join("")) };
      },
      (odd) => this.#query("TXT", odd, txtOf),
    );
  }

  /** Asks for a name that c-ares would not ask for. */
  async #query<T>(type: QueryType, name: string, read: (data: unknown) => T): Promise<Found<T>> {
    const records = await query(type, name, {
      servers: this.#asker.getServers(),
      clock: this.#clock,
      timeout: this.#timeout,
      attempts: this.#attempts,
    });
    const ttl = Math.min(...records.map((record) => record.ttl ?? 0));
    return { records: records.map(({ data }) => read(data)), ttl };
  }

  #ask<T>(
    type: string,
    name: string,
    run: (ascii: string) => Promise<Found<T>>,
    runOdd?: (name: string) => Promise<Found<T>>,
  ): Promise<Answer<T>> {
    const key = `${type} ${name.toLowerCase()}`;
    const kept = this.#kept.get(key);
    if (kept && kept.until > this.#clock.monotonic()) return kept.answer as Promise<Answer<T>>;
    const answer = this.#answer(name, run, runOdd);
    const entry: Kept = { answer: answer.then(({ found }) => found), until: Number.POSITIVE_INFINITY };
    this.#keep(key, entry);
    answer.then(
      ({ keep }) => {
        entry.until = this.#clock.monotonic() + keep;
        if (keep === 0 && this.#kept.get(key) === entry) this.#kept.delete(key);
      },
      () => this.#kept.delete(key),
    );
    return entry.answer as Promise<Answer<T>>;
  }

  async #answer<T>(
    name: string,
    run: (ascii: string) => Promise<Found<T>>,
    runOdd: ((name: string) => Promise<Found<T>>) | undefined,
  ): Promise<{ readonly found: Answer<T>; readonly keep: number }> {
    const plain = asciiName(name);
    const odd = plain === undefined ? oddName(name) : undefined;
    const asks = plain !== undefined ? () => run(plain) : odd !== undefined && runOdd && (() => runOdd(odd));
    if (!asks) return { found: { kind: "none" }, keep: 0 };
    try {
      const { records, ttl = Number.POSITIVE_INFINITY } = await asks();
      const keep = Math.min(ttl * 1000, limits.dns.cacheFor);
      if (records.length === 0) return { found: { kind: "none" }, keep: limits.dns.cacheNoneFor };
      return { found: { kind: "found", records: records.slice(0, limits.dns.records) }, keep };
    } catch (thrown) {
      if (NONE.has(codeOf(thrown) ?? "")) return { found: { kind: "none" }, keep: limits.dns.cacheNoneFor };
      return { found: { kind: "later", why: messageOf(thrown) }, keep: 0 };
    }
  }

  #keep(key: string, entry: Kept): void {
    this.#kept.delete(key);
    this.#kept.set(key, entry);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > limits.dns.cacheEntries && oldest !== undefined) this.#kept.delete(oldest);
  }
}

const withTtl = (records: readonly { readonly address: string; readonly ttl: number }[]) => ({
  records: records.map(({ address }) => address),
  ttl: Math.min(...records.map(({ ttl }) => ttl)),
});

/** An address as labels, last part first: octets of IPv4, nibbles of IPv6. RFC 1035 §3.5, RFC 3596 §2.5, RFC 5782 §2. */
export const reversedLabels = (bytes: Buffer): string =>
  (bytes.length === 4 ? [...bytes] : [...bytes.toString("hex")]).reverse().join(".");

/** Where the PTR records of an address are. */
export const reverseName = (bytes: Buffer): string =>
  `${reversedLabels(bytes)}.${bytes.length === 4 ? "in-addr" : "ip6"}.arpa`;

/** A name as it is asked for; undefined when no such name can exist. Underscores are for names such as `_dmarc`. */
function asciiName(name: string): string | undefined {
  const plain = name.replace(/\.$/, "");
  const ascii = /^[\x00-\x7f]*$/.test(plain) ? plain : domainToASCII(plain);
  return /^(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*$/.test(ascii) ? ascii : undefined;
}

/** A name that no host has but the DNS may: any printable characters in its labels. */
function oddName(name: string): string | undefined {
  const plain = name.replace(/\.$/, "");
  return /^(?=.{1,253}$)[!-\-/-~]{1,63}(?:\.[!-\-/-~]{1,63})*$/.test(plain) ? plain : undefined;
}

function mxOf(data: unknown): MxRecord {
  const { preference = 0, exchange = "" } = data as { preference?: number; exchange?: string };
  return { preference, exchange: exchange === "." ? "" : exchange };
}

/** As c-ares gives them: one character for each byte. */
const txtOf = (data: unknown): string =>
  [data]
    .flat()
    .map((part) => Buffer.from(part as Buffer).toString("latin1"))
    .join("");
