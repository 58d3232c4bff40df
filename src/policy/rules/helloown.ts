// hello-own: nobody else has our name or our address.

import { sameAddress } from "../facts.ts";
import { accept, reject, rule } from "../verdict.ts";

export const helloOwn = rule({
  id: "hello-own",
  stage: "hello",
  meaning: "HELO is our own name, our address, or one of our domains.",
  mode: "enforce",
  spares: "relay",
  judge: async ({ client, hello }) => {
    const { server } = client.world;
    const own = [...server.addresses];
    if (own.some((address) => sameAddress(address, client.address))) return accept("one of our addresses");
    const { literal, name } = hello;
    const ours =
      name === server.hostname.toLowerCase() ||
      (literal !== undefined && own.some((address) => sameAddress(address, literal))) ||
      (literal === undefined && (await server.isLocal(name)));
    if (!ours) return accept();
    // a machine of the domain's owner that only its site knows about has a rule with RELAYCLIENT
    return reject(`Your server calls itself "${name}", but that is us; give it its own name`, name);
  },
});
