// dnsbl: lists in DNS on which the client stands; each counts as much as the configuration says.

import { accept, rule, score } from "../verdict.ts";

export const dnsbl = rule({
  id: "dnsbl",
  stage: "connect",
  meaning: "The client is on block or allow lists in DNS (dns.lists); their weights add to the score.",
  mode: "enforce",
  spares: "reliable",
  judge: async ({ client }) => {
    const listings = await client.listings();
    if (listings.length === 0) return accept();
    const points = listings.reduce((sum, { weight }) => sum + weight, 0);
    return score(
      points,
      listings.map(({ zone, text }) => (text === "" ? zone : `${zone}: ${text}`)).join("; "),
    );
  },
});
