// Security: how well a connection to a server must be protected, and how the server proves who it is (RFC 7672 §2.2).

import { createPublicKey, X509Certificate } from "node:crypto";
import type { Shown } from "#sys/conn.ts";
import { type CertificateParts, certificateParts } from "#wire/certificate.ts";
import type { PolicyFound, ResultType } from "#wire/message/tlsresult.ts";
import { DANE_EE, DANE_TA, fits, formatTlsa, type Tlsa } from "#wire/records/tlsa.ts";

/** How the server proves who it is. */
export type Proof =
  | {
      readonly kind: "dane";
      /** Usable ones only. */
      readonly records: readonly Tlsa[];
      /** One of these must be in a certificate that an authority of the domain signed (RFC 7672 §3.2.3). */
      readonly names: readonly string[];
    }
  /** By a certificate that one of the believed authorities signed, for one of these names (RFC 8461 §4.2). */
  | { readonly kind: "pkix"; readonly names: readonly string[] };

export interface Security {
  /** "none": no TLS. "may": TLS when it works (RFC 7435). "must": no mail without it. */
  readonly tls: "none" | "may" | "must";
  /** Undefined: it need not prove anything. With "may" it is only looked at. */
  readonly proof?: Proof | undefined;
  /** What is published, for reports (RFC 8460 §4.2); undefined: nothing of it is reported. */
  readonly found?: PolicyFound | undefined;
  /** What is wrong before anything was said to it, where that does not keep mail from it. */
  readonly flaw?: Flaw;
  /** The name that the server is asked for in TLS (RFC 7672 §8.1: the TLSA base domain). */
  readonly servername?: string | undefined;
}

export const OPPORTUNISTIC: Security = { tls: "may" };

/** Nothing is published. */
export const UNPUBLISHED: Security = {
  tls: "may",
  found: { type: "no-policy-found", strings: [], mx: [] },
};

/** The same for connections of which one can stand for the other. */
export function securityKey({ tls, proof, servername = "" }: Security): string {
  const records = proof?.kind === "dane" ? proof.records.map(formatTlsa).join(",") : "";
  const proven = proof ? `${proof.kind} ${proof.names.join(",")} ${records}` : "";
  return `${tls} ${servername} ${proven}`;
}

/** Why a server is not as it must be: a result type of RFC 8460 §4.3, and words. */
export interface Flaw {
  readonly type: ResultType;
  readonly text: string;
}

interface Link extends CertificateParts {
  readonly certificate: X509Certificate;
  readonly raw: Buffer;
}

/** What is wrong with what a server has shown; undefined: it has proven who it is. */
export function flawOf(shown: Shown | undefined, proof: Proof, now: number): Flaw | undefined {
  const chain = linksOf(shown?.chain ?? []);
  const [own] = chain;
  if (!own) return { type: "validation-failure", text: "it has shown no certificate that can be read" };
  return proof.kind === "dane" ? daneFlaw(chain, own, proof, now) : pkixFlaw(own, shown?.flaw, proof.names);
}

/** RFC 8461 §4.2: the chain leads to an authority that is believed, and the name is that of the exchanger. */
function pkixFlaw(
  { certificate }: Link,
  flaw: string | undefined,
  names: readonly string[],
): Flaw | undefined {
  if (flaw === undefined) return nameFlaw(certificate, names);
  const type = flaw === "CERT_HAS_EXPIRED" ? "certificate-expired" : "certificate-not-trusted";
  return { type, text: `its certificate is not trusted: ${flaw.toLowerCase().replaceAll("_", " ")}` };
}

type DaneProof = Extract<Proof, { kind: "dane" }>;

function daneFlaw(
  chain: readonly Link[],
  own: Link,
  { records, names }: DaneProof,
  now: number,
): Flaw | undefined {
  // RFC 7672 §3.1.1: neither names nor dates count
  if (records.some((record) => record.usage === DANE_EE && fits(record, own))) return undefined;
  const anchors = records.filter(({ usage }) => usage === DANE_TA);
  let flaw: Flaw = { type: "validation-failure", text: "no TLSA record fits its certificate" };
  for (const anchored of anchors.flatMap((record) => anchoredBy(record, chain))) {
    const found = pathFlaw(anchored, now) ?? nameFlaw(own.certificate, names);
    if (!found) return undefined;
    flaw = found;
  }
  return flaw;
}

/** A chain that ends with what a TLSA record vouches for. */
interface Anchored {
  readonly links: readonly Link[];
  /** Only the key of the authority is known; its certificate was not sent. */
  readonly signer?: Tlsa;
}

/** The chains that end with the anchor of this record (RFC 7672 §3.1.2); an authority that signs itself only is none for others. */
function anchoredBy(record: Tlsa, chain: readonly Link[]): readonly Anchored[] {
  const at = chain.findIndex((link, depth) => depth > 0 && fits(record, link));
  if (at > 0) return [{ links: chain.slice(0, at + 1) }];
  if (record.matching !== 0) return [];
  // RFC 7671 §5.2.2: the whole authority stands in the record, so that the server may leave it out
  if (record.selector === 1) return [{ links: chain, signer: record }];
  const anchor = linkOf(record.data);
  return anchor ? [{ links: [...chain, anchor] }] : [];
}

const untrusted = (text: string): Flaw => ({ type: "certificate-not-trusted", text });

/** What is wrong with a chain from a server's certificate to its anchor (RFC 5280 §6.1); undefined: nothing. */
function pathFlaw({ links, signer }: Anchored, now: number): Flaw | undefined {
  for (const [at, link] of links.entries()) {
    const flaw = linkFlaw(link, at, now);
    if (flaw) return flaw;
    const above = links[at + 1];
    if (above && !signedBy(link.certificate, above.certificate))
      return untrusted("a certificate of it is not signed by the next one");
  }
  const last = links.at(-1);
  if (signer && !(last && signedByKey(last.certificate, signer.data)))
    return untrusted("no TLSA record fits its certificates");
  return forServers(links[0]?.certificate) ? undefined : untrusted("its certificate is not for servers");
}

/** What is wrong with one certificate of a chain, which has signed those before `at`, but for the first. */
function linkFlaw({ certificate, pathLength, demanding }: Link, at: number, now: number): Flaw | undefined {
  if (now < certificate.validFromDate.getTime() || now > certificate.validToDate.getTime()) {
    const text = `a certificate of it is valid from ${certificate.validFrom} to ${certificate.validTo}`;
    return { type: "certificate-expired", text };
  }
  if (demanding) return untrusted("a certificate of it demands what is not known here");
  return at > 0 && (!certificate.ca || pathLength < at - 1)
    ? untrusted("a certificate of it is signed by one that may not sign")
    : undefined;
}

/** RFC 5280 §4.2.1.12: id-kp-serverAuth, anyExtendedKeyUsage; without any it is good for everything. */
function forServers(certificate: X509Certificate | undefined): boolean {
  const uses: readonly string[] | undefined = certificate?.keyUsage;
  return !uses || uses.includes("1.3.6.1.5.5.7.3.1") || uses.includes("2.5.29.37.0");
}

function signedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    // a key of a kind that nobody knows has signed nothing
    return false;
  }
}

function signedByKey(certificate: X509Certificate, der: Buffer): boolean {
  try {
    return certificate.verify(createPublicKey({ key: der, format: "der", type: "spki" }));
  } catch {
    // no key
    return false;
  }
}

/** RFC 6125 §6.4: a wildcard stands for the whole first label. */
export function nameFlaw(certificate: X509Certificate, names: readonly string[]): Flaw | undefined {
  const found = names.some((name) => certificate.checkHost(name, { partialWildcards: false }) !== undefined);
  if (found) return undefined;
  const text = `its certificate is not for ${names.join(" or ")}`;
  return { type: "certificate-host-mismatch", text };
}

function linksOf(chain: readonly Buffer[]): readonly Link[] {
  const links: Link[] = [];
  for (const raw of chain) {
    const link = linkOf(raw);
    if (!link) break;
    links.push(link);
  }
  return links;
}

function linkOf(raw: Buffer): Link | undefined {
  const parts = certificateParts(raw);
  if (!parts) return undefined;
  try {
    return { certificate: new X509Certificate(raw), raw, ...parts };
  } catch {
    // bytes of a stranger
    return undefined;
  }
}
