// recipient-trap: an address that nobody uses and nobody was ever given: who writes to it has bought or guessed it.

import { accept, reject, rule } from "../verdict.ts";

export const recipientTrap = rule({
  id: "recipient-trap",
  stage: "recipient",
  meaning: "The recipient is a trap (policy.traps); the ledger holds it against the client.",
  mode: "enforce",
  spares: "reliable",
  judge: ({ client, recipient }) =>
    client.world.traps.has(recipient.address.toLowerCase())
      ? reject("This address takes no mail", recipient.address, { enhanced: "5.1.1" })
      : accept(),
});
