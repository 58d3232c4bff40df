// ban: the ledger has banned the client for a time.

import { accept, defer, rule } from "../verdict.ts";

export const ban = rule({
  id: "ban",
  stage: "connect",
  meaning: "The client is banned for a time, for what it did before (kenro ban list).",
  mode: "enforce",
  spares: "reliable",
  judge: async ({ client }) => {
    const { ban: found } = await client.memory();
    if (!found) return accept();
    const until = new Date(found.until).toISOString().slice(0, 16);
    return defer(
      `Too much unwanted mail came from ${client.address}; try again after ${until} UTC`,
      found.why,
      {
        code: 421,
        enhanced: "4.7.0",
        now: true,
      },
    );
  },
});
