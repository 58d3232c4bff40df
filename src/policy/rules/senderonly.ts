// sender-only: ADONLY, for a client from which only some domains are wanted (an old forwarding server full of spam).

import { acceptsDomain } from "../tcprules/variables.ts";
import { accept, reject, rule } from "../verdict.ts";

export const senderOnly = rule({
  id: "sender-only",
  stage: "sender",
  meaning: "A rule for the client says ADONLY, and the sender's domain is not in ACCEPTDOMAINS.",
  mode: "enforce",
  spares: "relay",
  judge: async ({ client, sender }) => {
    const { acceptedDomainsOnly, acceptDomains } = await client.access();
    // bounces belong to mail that our users sent
    if (!acceptedDomainsOnly || sender.address === "") return accept();
    if (acceptsDomain(acceptDomains, sender.domain)) return accept(sender.domain);
    return reject("From your server we take mail of some domains only", sender.domain, { code: 553 });
  },
});
