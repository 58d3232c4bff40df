// TLS-RPT (RFC 8460 §3): the record that says where a domain wants reports on TLS to its servers.

import { limits } from "#base/limits.ts";

export interface ReportTargets {
  /** Addresses. */
  readonly mailto: readonly string[];
  readonly https: readonly URL[];
}

/** Where the record of a domain is. */
export const tlsrptName = (domain: string): string => `_smtp._tls.${domain}`;

/** Where reports go; undefined when the records ask for none, or there is more than one (RFC 8460 §3). */
export function reportTargets(records: readonly string[]): ReportTargets | undefined {
  const [only, ...more] = records.filter((text) => /^v=TLSRPTv1[ \t]*;/.test(text));
  if (only === undefined || more.length > 0) return undefined;
  const fields = only.split(";").map((field) => /^\s*rua\s*=\s*(.*?)\s*$/.exec(field)?.[1]);
  const uris = (fields.find((value) => value !== undefined) ?? "").split(",").map((uri) => uri.trim());
  const mailto = uris.flatMap((uri) => /^mailto:([^?]+)/i.exec(uri)?.[1] ?? []).flatMap(addressIn);
  const https = uris
    .filter((uri) => /^https:\/\//i.test(uri) && URL.canParse(uri))
    .map((uri) => new URL(uri));
  if (mailto.length + https.length === 0) return undefined;
  const most = limits.tlsrpt.recipients;
  return { mailto: mailto.slice(0, most), https: https.slice(0, most) };
}

/** RFC 6068 §2: characters that do not stand for themselves are encoded. */
function addressIn(encoded: string): readonly string[] {
  try {
    const address = decodeURIComponent(encoded);
    return /^[^\s@<>"(),\x00-\x1f]+@[A-Za-z0-9.-]+$/.test(address) ? [address] : [];
  } catch {
    // an encoding that is none
    return [];
  }
}
