// TLSA records (RFC 6698 §2): what a domain says of the certificates of its servers, and which certificates fit.

import { createHash, timingSafeEqual } from "node:crypto";

export interface Tlsa {
  readonly usage: number;
  readonly selector: number;
  readonly matching: number;
  readonly data: Buffer;
}

/** RFC 7218 §2.1: the usages that count for SMTP. */
export const DANE_TA = 2;
export const DANE_EE = 3;

/** RFC 7218 §2.2, §2.3. */
const SELECTORS = { certificate: 0, key: 1 } as const;
const HASHES: Readonly<Record<number, { readonly name: string; readonly bytes: number }>> = {
  1: { name: "sha256", bytes: 32 },
  2: { name: "sha512", bytes: 64 },
};
const WHOLE = 0;

/** Where the records for a port of a host are (RFC 6698 §3). */
export const tlsaName = (host: string, port: number): string => `_${port}._tcp.${host.replace(/\.$/, "")}`;

/** Whether a record can be used for SMTP: usages of public authorities say nothing there (RFC 7672 §3.1.3), and what is unknown or of a wrong length fits nothing (RFC 7671 §4). */
export function isUsable({ usage, selector, matching, data }: Tlsa): boolean {
  if (usage !== DANE_TA && usage !== DANE_EE) return false;
  if (selector !== SELECTORS.certificate && selector !== SELECTORS.key) return false;
  return matching === WHOLE ? data.length > 0 : HASHES[matching]?.bytes === data.length;
}

/** The usable records, without those of a weaker hash where the same is said with a stronger one (RFC 7671 §9). */
export function usableRecords(records: readonly Tlsa[]): readonly Tlsa[] {
  const usable = records.filter(isUsable);
  const best = (record: Tlsa) =>
    Math.max(
      ...usable
        .filter(({ usage, selector }) => usage === record.usage && selector === record.selector)
        .map(({ matching }) => matching),
    );
  return usable.filter((record) => record.matching === WHOLE || record.matching === best(record));
}

/** Whether a record speaks of this certificate (RFC 6698 §2.1.2, §2.1.3): its DER form, and that of its SubjectPublicKeyInfo. */
export function fits(record: Tlsa, { raw, key }: { readonly raw: Buffer; readonly key: Buffer }): boolean {
  const selected = record.selector === SELECTORS.key ? key : raw;
  const hash = HASHES[record.matching];
  const shown = hash ? createHash(hash.name).update(selected).digest() : selected;
  return shown.length === record.data.length && timingSafeEqual(shown, record.data);
}

/** As in zone files (RFC 6698 §2.2), such as "3 1 1 5f4d…". */
export const formatTlsa = ({ usage, selector, matching, data }: Tlsa): string =>
  `${usage} ${selector} ${matching} ${data.toString("hex")}`;
