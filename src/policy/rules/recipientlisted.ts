// recipient-listed: badrcptto.

import { addressKeys } from "../databases.ts";
import { accept, reject, rule } from "../verdict.ts";

export const recipientListed = rule({
  id: "recipient-listed",
  stage: "recipient",
  meaning: "The recipient is in badrcpttodir/.",
  mode: "enforce",
  spares: "relay",
  judge: async ({ client, recipient }) => {
    const found = await client.world.databases.find("badrcptto", addressKeys(recipient.address));
    return found === undefined
      ? accept()
      : reject("This address takes no mail from outside", found, { code: 553 });
  },
});
