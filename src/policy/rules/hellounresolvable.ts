// hello-unresolvable: a name that is not in DNS is nobody's.

import { accept, reject, rule, score } from "../verdict.ts";

export const helloUnresolvable = rule({
  id: "hello-unresolvable",
  stage: "sender",
  meaning:
    "HELO has no address in DNS; refused from clients without a verified name for which no domain vouches (SPF).",
  mode: "enforce",
  spares: "known",
  judge: async ({ client, hello, sender }) => {
    if (hello.form !== "name") return accept();
    const answer = await hello.addresses();
    if (answer.kind === "found") return accept(answer.records.slice(0, 4).join(", "));
    if (answer.kind === "later") return accept(`DNS did not tell: ${answer.why}`);
    // crooked names behind a router are common; the client's own name or its domain makes up for them
    if (!(await client.isUnnamed())) return score(1, `${hello.name} is not in DNS`);
    if (await sender.authorised()) return score(1, `${hello.name} is not in DNS; authorised by SPF`);
    const text = `Your server calls itself "${hello.name}", which is not in DNS, and ${client.address} has no name there either; mend one of them`;
    return reject(text, `${hello.name} is not in DNS`);
  },
});
