// MTA-STS: what the policy of a domain demands of a connection to one of its exchangers (RFC 8461 §5).

import { messageOf, Trouble } from "#base/problem.ts";
import type { StsAnswer } from "#talk/tlspolicy.ts";
import type { Status } from "#wire/envelope.ts";
import { namesMx } from "#wire/records/mtasts.ts";
import { OPPORTUNISTIC, type Security } from "./security.ts";

export interface StsMemo {
  readonly domain: string;
  /** The policy that holds. Rejects with Trouble when that cannot be known now. */
  readonly policy: () => Promise<StsAnswer>;
}

/** How connections to a host must be protected; a status when mail must not go there now. */
export async function stsSecurity({ domain, policy }: StsMemo, host: string): Promise<Security | Status> {
  let found: StsAnswer;
  try {
    found = await policy();
  } catch (thrown) {
    if (!(thrown instanceof Trouble)) throw thrown;
    // to go on as if there were none would let mail out that must not go
    return { code: "4.7.5", text: `The MTA-STS policy of ${domain} is not known now: ${messageOf(thrown)}` };
  }
  if (found.kind === "none") return OPPORTUNISTIC;
  const named = namesMx(found.mx, host);
  if (found.mode === "enforce" && !named)
    return { code: "4.7.5", text: `${host} is not among the exchangers in the MTA-STS policy of ${domain}` };
  // RFC 8461 §5.1: "testing" delivers whatever is wrong
  return { tls: found.mode === "enforce" ? "must" : "may", proof: { kind: "pkix", names: [host] } };
}
