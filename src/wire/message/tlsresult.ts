// How connections to the servers of a domain went, in the words of reports on TLS (RFC 8460 §4.2, §4.3).

import { limits } from "#base/limits.ts";
import { list, oneOf, record, text } from "#base/shape.ts";

/** RFC 8460 §4.3. */
export const resultTypes = [
  "starttls-not-supported",
  "certificate-host-mismatch",
  "certificate-expired",
  "certificate-not-trusted",
  "validation-failure",
  "tlsa-invalid",
  "dnssec-invalid",
  "sts-policy-fetch-error",
  "sts-policy-invalid",
  "sts-webpki-invalid",
] as const;

export type ResultType = (typeof resultTypes)[number];

/** What a connection had to meet (RFC 8460 §4.2). */
export interface PolicyFound {
  readonly type: "tlsa" | "sts" | "no-policy-found";
  readonly strings: readonly string[];
  readonly mx: readonly string[];
}

export interface FailureDetail {
  readonly result: ResultType;
  /** Name and address of the server; "" for failures that are none of a server's. */
  readonly host: string;
  readonly address: string;
  readonly count: number;
}

export const policyFoundShape = record({
  type: oneOf("tlsa", "sts", "no-policy-found"),
  strings: list(text(2000), limits.tlsrpt.strings),
  mx: list(text(255), limits.tlsrpt.strings),
});

/** One connection to a server of a domain. */
export interface TlsResult {
  readonly domain: string;
  readonly policy: PolicyFound;
  readonly failure?: Omit<FailureDetail, "count"> | undefined;
}
