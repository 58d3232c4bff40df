// sender-listed: badmailfrom, with the exceptions that a rule for the client gives (ACCEPTDOMAINS).

import { addressKeys } from "../databases.ts";
import { acceptsDomain } from "../tcprules/variables.ts";
import { accept, reject, rule } from "../verdict.ts";

export const senderListed = rule({
  id: "sender-listed",
  stage: "sender",
  meaning: "The sender is in badmailfromdir/, and its client has no ACCEPTDOMAINS for it.",
  mode: "enforce",
  spares: "reliable",
  judge: async ({ client, sender }) => {
    if (sender.address === "") return accept();
    const found = await client.world.databases.find("badmailfrom", addressKeys(sender.address));
    if (found === undefined) return accept();
    const { acceptDomains } = await client.access();
    if (acceptsDomain(acceptDomains, sender.domain)) return accept(`${found}, but ACCEPTDOMAINS`);
    return reject(`We take no mail from <${sender.address}>`, found, { code: 553 });
  },
});
