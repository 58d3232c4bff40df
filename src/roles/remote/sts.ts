// MTA-STS: what the policy of a domain demands of a connection to one of its exchangers (RFC 8461 §5).

import { messageOf, Trouble } from "#base/problem.ts";
import type { StsAnswer } from "#talk/tlspolicy.ts";
import type { Status } from "#wire/envelope.ts";
import type { PolicyFound, ResultType } from "#wire/message/tlsresult.ts";
import { namesMx } from "#wire/records/mtasts.ts";
import { type Security, UNPUBLISHED } from "./security.ts";

export interface StsMemo {
  readonly domain: string;
  /** The policy that holds. Rejects with Trouble when that cannot be known now. */
  readonly policy: () => Promise<StsAnswer>;
}

/** Why mail must not go to a host now. */
export interface Refusal extends Status {
  /** For reports: what is published, and what is wrong. */
  readonly found?: PolicyFound;
  readonly result?: ResultType;
}

/** As reports show it (RFC 8460 §4.4). */
const stsFound = ({ mode, mx }: Extract<StsAnswer, { kind: "sts" }>): PolicyFound => ({
  type: "sts",
  strings: ["version: STSv1", `mode: ${mode}`, ...mx.map((pattern) => `mx: ${pattern}`)],
  mx,
});

/** How connections to a host must be protected; a status when mail must not go there now. */
export async function stsSecurity({ domain, policy }: StsMemo, host: string): Promise<Security | Refusal> {
  let found: StsAnswer;
  try {
    found = await policy();
  } catch (thrown) {
    if (!(thrown instanceof Trouble)) throw thrown;
    // to go on as if there were none would let mail out that must not go
    return { code: "4.7.5", text: `The MTA-STS policy of ${domain} is not known now: ${messageOf(thrown)}` };
  }
  if (found.kind === "none") return UNPUBLISHED;
  const published = stsFound(found);
  const text = `${host} is not among the exchangers in the MTA-STS policy of ${domain}`;
  const named = namesMx(found.mx, host);
  if (found.mode === "enforce" && !named)
    return { code: "4.7.5", text, found: published, result: "validation-failure" };
  const proof = { kind: "pkix", names: [host] } as const;
  // RFC 8461 §5.1: "testing" delivers whatever is wrong
  const tls = found.mode === "enforce" ? "must" : "may";
  return { tls, proof, found: published, ...(named ? {} : { flaw: { type: "validation-failure", text } }) };
}
