// What the end of a delivery by a .qmail file is to the queue (docs/dotqmail.md P7).

import type { Outcome } from "#wire/envelope.ts";
import { deliveredTo, newSender, type Owner } from "./environment.ts";
import { completeForwards } from "./forwards.ts";
import { deferredWith, failedWith, reportText } from "./report.ts";

export type Ended =
  | {
      readonly kind: "done";
      readonly report: string;
      readonly forwards: readonly string[];
      /** Whose name has what goes on. */
      readonly owner: Owner;
    }
  | { readonly kind: "failed" | "deferred"; readonly report: string };

export interface Addressed {
  readonly sender: string;
  readonly local: string;
  readonly host: string;
  /** Completes addresses without a domain. */
  readonly domain: string;
}

/** The longest that an outcome takes. */
const BY = 2000;

export function outcomeOf(ended: Ended, { sender, local, host, domain }: Addressed): Outcome {
  if (ended.kind !== "done")
    return ended.kind === "failed" ? failedWith(ended.report) : deferredWith(ended.report);
  const by = reportText(ended.report).trimEnd().slice(0, BY);
  if (ended.forwards.length === 0) return { kind: "delivered", by };
  const to = completeForwards(ended.forwards, domain);
  if (!to.ok) return deferredWith(to.error);
  const from = newSender(sender, { local, host }, ended.owner);
  const prefix = deliveredTo(local, host).replace(/\n$/, "\r\n");
  const letter = { recipients: to.value, prefix, ...(from === sender ? {} : { sender: from }) };
  return { kind: "forwarded", by, letter };
}
