// Route: which servers take mail for a domain, in the order to try them (RFC 5321 §5.1), or why there are none.

import net from "node:net";
import { limits } from "#base/limits.ts";
import type { RouteSlice } from "#config/slice.ts";
import type { Answer, MxRecord, SecureResolver } from "#sys/resolver.ts";
import type { StsAnswer } from "#talk/tlspolicy.ts";
import type { Outcome, Status } from "#wire/envelope.ts";
import type { TlsResult } from "#wire/message/tlsresult.ts";
import { daneOf, tlsaFound } from "./dane.ts";
import { OPPORTUNISTIC, type Security, UNPUBLISHED } from "./security.ts";
import { type Refusal, type StsMemo, stsSecurity } from "./sts.ts";
import { type Destination, type Manner, routeFor } from "./via.ts";

/** RFC 2033 §5 gives none; this is the one that is registered for it. */
const LMTP_PORT = 24;

export interface Target {
  /** Name of the exchanger, or its address when there is no name. */
  readonly host: string;
  readonly address: string;
  readonly port: number;
  readonly security: Security;
  readonly manner: Manner;
}

export interface RouteOptions {
  readonly resolver: SecureResolver;
  /** Our own name. */
  readonly hostname: string;
  readonly port: number;
  /** "host", "host:port", "[address]:port" or "". */
  readonly smarthost: string;
  /** Local address of connections that no route gives another one. */
  readonly sourceAddress: string;
  /** The first that fits comes before the smarthost and the exchangers. */
  readonly routes: readonly RouteSlice[];
  /** From 0 to 1, 1 not included. */
  readonly random: () => number;
  /** Which MTA-STS policy holds for a domain. Rejects with Trouble when that cannot be known. */
  readonly sts: (domain: string) => Promise<StsAnswer>;
  /** Nothing that is published counts: for reports on just that (RFC 8460 §3). */
  readonly ignorePublished?: boolean;
  /** Hears of hosts that are passed over for what is published of them. */
  readonly failed?: (result: Omit<TlsResult, "domain">) => void;
}

interface Hosts {
  readonly kind: "hosts";
  readonly hosts: readonly string[];
  readonly port: number;
  readonly manner: Manner;
  readonly via?: RouteSlice | undefined;
  /** Names of which one must be in a certificate, for a host that a route wants verified. */
  readonly names: (host: string) => readonly string[];
  /** It is proven that these are the hosts, so that DANE tells something; with names that their certificates may have. */
  readonly proven?: { readonly names: readonly string[] } | undefined;
  /** The policy of the domain; undefined: it can have none. */
  readonly sts?: StsMemo;
  /** What it means when none of them has an address. */
  readonly nowhere: Outcome;
}

const outcome = (kind: "deferred" | "failed", code: string, text: string): Outcome => ({
  kind,
  why: { code, text },
});

/** The targets one after the other, each looked up when it is wanted; returns the outcome that stands if none of them was there. */
export async function* route(
  destination: Destination,
  options: RouteOptions,
): AsyncGenerator<Target, Outcome | undefined> {
  const found = await hostsOf(destination, options);
  if (found.kind !== "hosts") return found;
  let later: Status | undefined;
  let count = 0;
  for (const host of found.hosts.slice(0, limits.remote.exchangers)) {
    const place = await placeOf(found, host, options);
    if (place && "code" in place) later ??= place;
    if (!place || "code" in place) continue;
    for (const address of place.addresses) {
      if (count++ >= limits.remote.addresses) return undefined;
      yield { host, address, port: found.port, security: place.security, manner: found.manner };
    }
  }
  if (count > 0) return undefined;
  return later ? { kind: "deferred", why: later } : found.nowhere;
}

interface Place {
  readonly addresses: readonly string[];
  readonly security: Security;
}

/** Where a host is, and how connections to it must be protected; undefined: nowhere; a status: that cannot be known now. */
async function placeOf(
  found: Hosts,
  host: string,
  options: RouteOptions,
): Promise<Place | Status | undefined> {
  if (host.startsWith("unix:")) return { addresses: [host], security: raised(OPPORTUNISTIC, found, host) };
  const answer = await options.resolver.addresses(host);
  if (answer.kind === "later")
    return { code: "4.4.3", text: `DNS does not answer for ${host}: ${answer.why}` };
  if (answer.kind === "none") return undefined;
  const published = await securityOf(found, host, answer, options);
  if ("code" in published) {
    const { result, found: policy } = published;
    if (result && policy) options.failed?.({ policy, failure: { result, host, address: "" } });
    return published;
  }
  return { addresses: arrange(answer.records, options.random), security: raised(published, found, host) };
}

async function securityOf(
  { proven, sts, port, via }: Hosts,
  host: string,
  addresses: Answer<string>,
  { resolver, ignorePublished }: RouteOptions,
): Promise<Security | Refusal> {
  if (net.isIP(host) || via?.tls === "none" || ignorePublished) return OPPORTUNISTIC;
  if (proven) {
    const dane = await daneOf({ host, port, addresses, names: proven.names }, resolver);
    if (dane.kind === "later") {
      const text = `DNS does not answer for the TLSA records of ${host}: ${dane.why}`;
      return { code: "4.4.3", text, found: tlsaFound([]), result: "dnssec-invalid" };
    }
    // RFC 8461 §2: what MTA-STS says does not count beside it
    if (dane.kind === "found") return dane.security;
  }
  return sts ? stsSecurity(sts, host) : UNPUBLISHED;
}

/** What is published, or more where the site's own route demands it. */
function raised(published: Security, { via, names }: Hosts, host: string): Security {
  if (via?.tls === "none") return { tls: "none" };
  if (via === undefined || via.tls === "may" || published.proof?.kind === "dane") return published;
  if (via.tls === "require") return { ...published, tls: "must", found: undefined };
  // an enforced policy proves as much
  return published.tls === "must" && published.proof
    ? published
    : { tls: "must", proof: { kind: "pkix", names: names(host) } };
}

async function hostsOf(destination: Destination, options: RouteOptions): Promise<Hosts | Outcome> {
  const via = routeFor(options.routes, destination);
  if (via && via.host !== "") return nexthopOf(via.host, options, via);
  if (!via && options.smarthost !== "") return nexthopOf(options.smarthost, options);
  const found = await exchangersFor(destination.domain, options);
  if (found.kind !== "hosts" || !via) return found;
  const { domain } = destination;
  // nobody vouches for the names in MX: those below the domain are its own
  const names = (host: string) =>
    host.toLowerCase().endsWith(`.${domain.toLowerCase()}`) ? [host, domain] : [domain];
  return { ...found, via, manner: mannerOf(options, via), names };
}

function mannerOf({ hostname, sourceAddress }: RouteOptions, via?: RouteSlice): Manner {
  if (!via) return { protocol: "smtp", hello: hostname, source: sourceAddress };
  const { protocol, hello, sourceAddress: source, user, password } = via;
  return { protocol, hello, source, login: user === "" ? undefined : { user, password } };
}

const themselves = (host: string): readonly string[] => [host];

async function exchangersFor(domain: string, options: RouteOptions): Promise<Hosts | Outcome> {
  const manner = mannerOf(options);
  const literal = /^\[(?:IPv6:)?([^\]]+)\]$/i.exec(domain)?.[1];
  if (literal !== undefined) {
    const nowhere = outcome("failed", "5.1.2", `${domain} is not an address`);
    if (!net.isIP(literal)) return nowhere;
    return { kind: "hosts", hosts: [literal], port: options.port, manner, names: themselves, nowhere };
  }
  const answer = await options.resolver.mx(domain);
  switch (answer.kind) {
    case "later":
      return outcome("deferred", "4.4.3", `DNS does not answer for ${domain}: ${answer.why}`);
    case "none": {
      // RFC 5321 §5.1: a domain without MX is its own exchanger
      const nowhere = outcome("failed", "5.1.2", `There is no host and no mail exchanger named ${domain}`);
      const proven = answer.secure ? { names: [] } : undefined;
      return {
        kind: "hosts",
        hosts: [domain],
        port: options.port,
        manner,
        names: themselves,
        proven,
        sts: memoOf(domain, options),
        nowhere,
      };
    }
    case "found":
      return exchangersOf(domain, answer, options);
  }
}

/** The one host that the configuration names. */
function nexthopOf(place: string, options: RouteOptions, via?: RouteSlice): Hosts {
  const [, bracketed, plain = "", given] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(place) ?? [];
  const host = place.startsWith("unix:") ? place : (bracketed ?? (plain || place));
  const usual = via?.protocol === "lmtp" ? LMTP_PORT : options.port;
  return {
    kind: "hosts",
    hosts: [host],
    port: given === undefined ? usual : Number(given),
    manner: mannerOf(options, via),
    via,
    names: themselves,
    // the configuration says so
    proven: { names: [] },
    // a mistake in our configuration is not the sender's
    nowhere: outcome(
      "deferred",
      "4.4.4",
      `The ${via ? "host of the route" : "smarthost"} ${host} has no address`,
    ),
  };
}

/** Asked at most once for a delivery, and only when a host without DANE comes up. */
function memoOf(domain: string, { sts }: RouteOptions): StsMemo {
  let asked: Promise<StsAnswer> | undefined;
  return {
    domain,
    policy: () => {
      asked ??= sts(domain);
      return asked;
    },
  };
}

type FoundMx = Extract<Answer<MxRecord>, { kind: "found" }>;

function exchangersOf(domain: string, answer: FoundMx, options: RouteOptions): Hosts | Outcome {
  const { records, secure = false, owner = domain } = answer;
  const named = records.filter(({ exchange }) => exchange !== "" && exchange !== ".");
  // RFC 7505 §3: it stands alone; beside others it says nothing
  if (named.length === 0) return outcome("failed", "5.1.10", `${domain} takes no mail (its MX says so)`);
  const own = named.filter(({ exchange }) => same(exchange, options.hostname));
  // RFC 5321 §5.1: what is not better than ourselves would come back to us
  const best = Math.min(...own.map(({ preference }) => preference));
  const better = named.filter(({ preference }) => preference < best);
  if (better.length === 0) {
    const text = `We are the best mail exchanger for ${domain}, but it is not one of our domains`;
    return outcome("deferred", "4.4.6", text);
  }
  return {
    kind: "hosts",
    hosts: inOrder(better, options.random).map(({ exchange }) => exchange),
    port: options.port,
    manner: mannerOf(options),
    names: themselves,
    // RFC 7672 §2.2.1: who may have made up the exchangers may have chosen ones with TLSA records
    proven: secure ? { names: [domain, owner] } : undefined,
    sts: memoOf(domain, options),
    nowhere: outcome("failed", "5.4.4", `None of the mail exchangers of ${domain} has an address`),
  };
}

const same = (one: string, other: string): boolean =>
  one.toLowerCase().replace(/\.$/, "") === other.toLowerCase();

/** By preference; equals in random order, so that they share the load (RFC 5321 §5.1). */
function inOrder(records: readonly MxRecord[], random: () => number): readonly MxRecord[] {
  return shuffle(records, random).sort((one, other) => one.preference - other.preference);
}

/** IPv6 and IPv4 by turns, so that a family that does not work here costs one attempt. */
function arrange(addresses: readonly string[], random: () => number): readonly string[] {
  const mixed = shuffle(addresses, random);
  const six = mixed.filter((address) => net.isIPv6(address));
  const four = mixed.filter((address) => !net.isIPv6(address));
  return mixed.flatMap((_, at) => [six[at], four[at]]).filter((address) => address !== undefined);
}

/** Fisher and Yates. */
function shuffle<T>(items: readonly T[], random: () => number): T[] {
  const mixed = [...items];
  for (let last = mixed.length - 1; last > 0; last--) {
    const pick = Math.floor(random() * (last + 1));
    const [one, other] = [mixed[last], mixed[pick]];
    if (one === undefined || other === undefined) continue;
    mixed[last] = other;
    mixed[pick] = one;
  }
  return mixed;
}
