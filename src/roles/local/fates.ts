// What the ledger is told of deliveries, so that it is known later whose mail was wanted (docs/ledger.md).

import type { Fate } from "#policy/replay/fate.ts";
import type { Delivered, Delivery } from "#talk/deliver.ts";

/** Each copy that lies in a mailbox now. Mail of our own users and bounces of our own come from no session that is judged. */
export function fatesOf({ id, submitted, rejected }: Delivery, { outcomes }: Delivered): readonly Fate[] {
  if (submitted || rejected) return [];
  return outcomes.flatMap(({ index, outcome }) =>
    outcome.kind === "delivered" ? [{ mail: id, of: index, fate: "delivered" } as const] : [],
  );
}
