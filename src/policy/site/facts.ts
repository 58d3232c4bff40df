// Facts for the site's own rules: plain data, since they run in another thread. docs/policy.md shows them.

import type { ClientFacts, FactsOf } from "../facts.ts";
import type { SoFar } from "../verdict.ts";

/** The facts of any stage. */
export type AnyFacts = FactsOf["connect"] & Partial<FactsOf["recipient"]>;

export async function plainFacts({ client, hello, sender, recipient }: AnyFacts, { points, reasons }: SoFar) {
  return {
    client: await clientOf(client),
    hello: hello && { name: hello.name, form: hello.form },
    sender: sender && {
      address: sender.address,
      domain: sender.domain,
      spf: (await sender.spf()).kind,
      authorised: await sender.authorised(),
    },
    recipient: recipient && { address: recipient.address, before: recipient.before },
    points,
    reasons: [...reasons],
  };
}

async function clientOf(client: ClientFacts) {
  const [name, listings, memory, dynamic] = await Promise.all([
    client.name(),
    client.listings(),
    client.memory(),
    client.dynamic(),
  ]);
  return {
    address: client.address,
    /** Verified; null: none, or not known in time. */
    name: name.kind === "verified" ? name.name : null,
    named: name.kind,
    network: client.network,
    early: client.early ?? null,
    dynamic: dynamic ?? null,
    listings: listings.map(({ zone, weight }) => ({ zone, weight })),
    known: memory.known,
    guesses: memory.guesses,
  };
}
