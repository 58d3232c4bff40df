// hello-listed: HELO names in badhelodir, and those that the starter feed knows.

import { nameKeys } from "../databases.ts";
import { starterHello } from "../feeds/starter.ts";
import { accept, reject, rule } from "../verdict.ts";

export const helloListed = rule({
  id: "hello-listed",
  stage: "hello",
  meaning: "HELO is a name in badhelodir/ or of the starter feed.",
  mode: "enforce",
  spares: "reliable",
  judge: async ({ client, hello }) => {
    const keys = nameKeys(hello.name);
    const own = await client.world.databases.find("badhelo", keys);
    const found = own ?? keys.find((key) => starterHello.has(key));
    if (found === undefined) return accept();
    return reject(
      `Your server calls itself "${hello.name}", a name that only abusers use here; give it its real name`,
      found,
    );
  },
});
