// hello-listed-unknown: the wider list of HELO names for clients without a verified name (antibadmail's H3b).

import { nameKeys } from "../databases.ts";
import { accept, reject, rule } from "../verdict.ts";

export const helloListedUnknown = rule({
  id: "hello-listed-unknown",
  stage: "sender",
  meaning: "HELO is a name in badhelodir/unknown/, and the client has no verified name.",
  mode: "enforce",
  spares: "reliable",
  judge: async ({ client, hello }) => {
    const found = await client.world.databases.find("badhelo/unknown", nameKeys(hello.name));
    if (found === undefined || !(await client.isUnnamed())) return accept();
    const text = `Servers called "${hello.name}" need reverse DNS to send to us, and ${client.address} has none`;
    return reject(text, found);
  },
});
