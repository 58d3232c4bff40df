// DANE: what a host's TLSA records demand of a connection to it (RFC 7672 §2.2), or that they cannot be known now.

import type { Answer, SecureResolver } from "#sys/resolver.ts";
import type { PolicyFound } from "#wire/message/tlsresult.ts";
import { formatTlsa, type Tlsa, tlsaName, usableRecords } from "#wire/records/tlsa.ts";
import type { Security } from "./security.ts";

export interface DaneHost {
  readonly host: string;
  readonly port: number;
  /** Its addresses, and what proves them. */
  readonly addresses: Answer<string>;
  /** Other names that may be in its certificate: the domain of the recipients, when its MX is proven (RFC 7672 §3.2.3). */
  readonly names: readonly string[];
}

export type Dane =
  | { readonly kind: "none" }
  /** RFC 7672 §2.2: no mail goes to a host whose records cannot be known. */
  | { readonly kind: "later"; readonly why: string }
  | { readonly kind: "found"; readonly security: Security };

const MOST_SHOWN = 20;

const NONE: Dane = { kind: "none" };

/** What a host demands. The records are asked for only where the addresses are proven: servers of unsigned zones may not know such questions (RFC 7672 §2.2.3). */
export async function daneOf(at: DaneHost, resolver: SecureResolver): Promise<Dane> {
  for (const base of await basesOf(at, resolver)) {
    if (typeof base !== "string") return base;
    const answer = await resolver.tlsa(tlsaName(base, at.port));
    if (answer.kind === "later") return answer;
    if (answer.kind === "found" && answer.secure)
      return { kind: "found", security: demandOf(answer.records, base, at) };
  }
  return NONE;
}

type Later = Extract<Dane, { kind: "later" }>;

/** Names below which the records may be, best first (RFC 7672 §2.2.2): where aliases lead if all of them are proven, then the name itself if it is. */
async function basesOf(
  { host, addresses }: DaneHost,
  resolver: SecureResolver,
): Promise<readonly (string | Later)[]> {
  if (addresses.kind !== "found") return [];
  const { owner = host, secure = false } = addresses;
  const aliased = owner.toLowerCase() !== host.replace(/\.$/, "").toLowerCase();
  if (!aliased) return secure ? [host] : [];
  if (secure) return [owner, host];
  // the alias may stand in a signed zone and lead out of it
  const alias = await resolver.alias(host);
  if (alias.kind === "later") return [alias];
  return alias.kind === "found" && alias.secure ? [host] : [];
}

/** As reports show them (RFC 8460 §4.4). */
export const tlsaFound = (records: readonly Tlsa[]): PolicyFound => ({
  type: "tlsa",
  strings: records.slice(0, MOST_SHOWN).map((record) => formatTlsa(record).slice(0, 200)),
  mx: [],
});

/** With records that are all of no use there must still be TLS, only nothing to prove (RFC 7672 §2.2). */
function demandOf(records: readonly Tlsa[], base: string, { host, names }: DaneHost): Security {
  const usable = usableRecords(records);
  const all = [...new Set([base, host, ...names].map((name) => name.replace(/\.$/, "").toLowerCase()))];
  const proof = usable.length > 0 ? ({ kind: "dane", records: usable, names: all } as const) : undefined;
  return { tls: "must", servername: base, proof, found: tlsaFound(records) };
}
