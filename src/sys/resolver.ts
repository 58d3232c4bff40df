// DNS with three answers: found, there is none, try later. "None" only when a server said so; whatever else happens is "later".

import dns from "node:dns";
import net from "node:net";
import { domainToASCII } from "node:url";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { addressBytes, Networks } from "#base/network.ts";
import { codeOf, messageOf } from "#base/problem.ts";
import type { Tlsa } from "#wire/records/tlsa.ts";
import { type QueryType, query } from "./query.ts";

/** `secure`: a server that we trust says that DNSSEC proves it (RFC 4033 §5). `owner`: the name that aliases led to, where that was seen. */
export type Answer<T> =
  | {
      readonly kind: "found";
      readonly records: readonly T[];
      readonly secure?: boolean;
      readonly owner?: string | undefined;
    }
  | { readonly kind: "none"; readonly secure?: boolean }
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

/** One that also knows what DNSSEC proves. Without a server that we trust, nothing is secure and there are no TLSA records. */
export interface SecureResolver extends Resolver {
  /** TLSA records of a name such as "_25._tcp.mx.example.org". */
  tlsa(name: string): Promise<Answer<Tlsa>>;
  /** The alias that stands at a name itself, not followed. */
  alias(name: string): Promise<Answer<string>>;
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
  readonly proof?: { readonly secure: boolean; readonly owner: string };
}

export interface ResolverOptions {
  /** "address:port" each; empty: the system's. */
  readonly servers: readonly string[];
  readonly clock: Clock;
  readonly timeout?: number;
  readonly attempts?: number;
  /** Networks of the servers whose word on DNSSEC is believed. When some of the servers are there, only they are asked, all but PTR without c-ares, which does not tell. */
  readonly trusted?: readonly string[];
}

/** The real one: c-ares asks, follows CNAMEs and repeats by TCP what was cut; equal questions under way are asked once. */
export class NetworkResolver implements SecureResolver {
  readonly #clock: Clock;
  readonly #asker: dns.promises.Resolver;
  readonly #timeout: number;
  readonly #attempts: number;
  readonly #kept = new Map<string, Kept>();
  /** The servers to be asked. */
  readonly #servers: readonly string[];
  /** One of them is believed when it says what DNSSEC proves. */
  readonly #validating: boolean;

  constructor({
    servers,
    clock,
    timeout = limits.dns.timeout,
    attempts = limits.dns.attempts,
    trusted = [],
  }: ResolverOptions) {
    this.#clock = clock;
    this.#timeout = timeout;
    this.#attempts = attempts;
    this.#asker = new dns.promises.Resolver({ timeout, tries: attempts, maxTimeout: timeout });
    if (servers.length > 0) this.#asker.setServers([...servers]);
    const all = this.#asker.getServers();
    const networks = new Networks(trusted);
    const believed = all.filter((server) => isTrusted(server, networks));
    this.#validating = believed.length > 0;
    this.#servers = this.#validating ? believed : all;
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
    const found = answers.filter((answer) => answer.kind === "found");
    const records = found.flatMap((answer) => answer.records);
    const secure = this.#validating && found.every((answer) => answer.secure);
    const proof = this.#validating ? { secure, owner: found[0]?.owner } : {};
    if (records.length > 0) return { kind: "found", records, ...proof };
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

  tlsa(name: string): Promise<Answer<Tlsa>> {
    if (!this.#validating) return Promise.resolve({ kind: "none" });
    return this.#asks("tlsa", name, (ascii) => this.#query("TLSA", ascii, tlsaOf));
  }

  alias(name: string): Promise<Answer<string>> {
    if (!this.#validating) return Promise.resolve({ kind: "none" });
    return this.#asks("cname", name, (ascii) => this.#query("CNAME", ascii, String));
  }

  #asks<T>(type: string, name: string, run: (name: string) => Promise<Found<T>>): Promise<Answer<T>> {
    return this.#ask(type, name, run, run);
  }

  /** Asks without c-ares: for a name that it would not ask for, or to hear what DNSSEC proves. */
  async #query<T>(type: QueryType, name: string, read: (data: unknown) => T): Promise<Found<T>> {
    const { records, authentic, owner } = await query(type, name, {
      servers: this.#servers,
      clock: this.#clock,
      timeout: this.#timeout,
      attempts: this.#attempts,
    });
    const ttl = Math.min(...records.map((record) => record.ttl ?? 0));
    const proof = this.#validating ? { proof: { secure: authentic, owner } } : {};
    return { records: records.map(({ data }) => read(data)), ttl, ...proof };
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
    const asks = this.#howToAsk(plain, odd, { run, runOdd });
    if (!asks) return { found: { kind: "none" }, keep: 0 };
    try {
      const { records, ttl = Number.POSITIVE_INFINITY, proof } = await asks();
      const keep = Math.min(ttl * 1000, limits.dns.cacheFor);
      const none = { kind: "none", ...(proof && { secure: proof.secure }) } as const;
      if (records.length === 0) return { found: none, keep: limits.dns.cacheNoneFor };
      return { found: { kind: "found", records: records.slice(0, limits.dns.records), ...proof }, keep };
    } catch (thrown) {
      if (NONE.has(codeOf(thrown) ?? "")) return { found: { kind: "none" }, keep: limits.dns.cacheNoneFor };
      return { found: { kind: "later", why: messageOf(thrown) }, keep: 0 };
    }
  }

  #howToAsk<T>(
    plain: string | undefined,
    odd: string | undefined,
    { run, runOdd }: Ways<T>,
  ): (() => Promise<Found<T>>) | undefined {
    // c-ares does not say what DNSSEC proves
    const apart = this.#validating ? (plain ?? odd) : odd;
    if (apart !== undefined && runOdd) return () => runOdd(apart);
    return plain === undefined ? undefined : () => run(plain);
  }

  #keep(key: string, entry: Kept): void {
    this.#kept.delete(key);
    this.#kept.set(key, entry);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > limits.dns.cacheEntries && oldest !== undefined) this.#kept.delete(oldest);
  }
}

interface Ways<T> {
  readonly run: (ascii: string) => Promise<Found<T>>;
  readonly runOdd: ((name: string) => Promise<Found<T>>) | undefined;
}

/** Whether a server, as node:dns gives it, is in one of these networks. */
function isTrusted(server: string, networks: Networks): boolean {
  const [, bracketed, plain] = /^\[(.*)\]:\d+$|^([\d.]+):\d+$/.exec(server) ?? [];
  return networks.has(bracketed ?? plain ?? server);
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

function tlsaOf(data: unknown): Tlsa {
  const {
    usage = 255,
    selector = 255,
    matchingType: matching = 255,
    certificate = Buffer.alloc(0),
  } = data as { usage?: number; selector?: number; matchingType?: number; certificate?: Buffer };
  return { usage, selector, matching, data: Buffer.from(certificate) };
}
