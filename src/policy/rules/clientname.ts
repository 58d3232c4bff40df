// client-name: a server without a verified name is poorly kept at best.

import { accept, rule, score, type Verdict } from "../verdict.ts";

export const clientNameRule = rule({
  id: "client-name",
  stage: "connect",
  meaning: "The client's address has no name, or none that leads back to it (forward-confirmed reverse DNS).",
  mode: "enforce",
  spares: "known",
  judge: async ({ client }): Promise<Verdict> => {
    const name = await client.name();
    switch (name.kind) {
      case "verified":
        return accept(name.name);
      case "later":
        return accept(`DNS did not tell in time: ${name.why}`);
      case "none":
        return score(2, `${client.address} has no name`);
      case "unverified":
        return score(2, `${name.names.join(", ")}: ${name.why}`);
    }
  },
});
