// client-dynamic: lines of customers send mail through their provider; what sends directly from there is mostly an infected machine.

import { accept, reject, rule, score } from "../verdict.ts";

export const clientDynamic = rule({
  id: "client-dynamic",
  stage: "sender",
  meaning:
    "The client's name looks like a customer's line, its HELO does not lead to it, and no domain vouches for it (SPF).",
  mode: "enforce",
  spares: "known",
  judge: async ({ client, hello, sender }) => {
    const dynamic = await client.dynamic();
    if (dynamic === undefined) return accept();
    // a small office with a name of its own, or whose domain says that it sends from here
    if (await hello.confirmed()) return score(1, `${dynamic}; HELO ${hello.name} leads to it`);
    if (await sender.authorised()) return score(1, `${dynamic}; authorised by SPF`);
    const text = `${client.address} looks like a customer's line (${(await client.verifiedName()) ?? ""}); send through your provider's server, or give it a name of its own`;
    return reject(text, dynamic);
  },
});
