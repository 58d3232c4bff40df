// hello-dotless: a name without a dot is no host's name; clients without a verified name are refused for it (antibadmail's H3a).

import { accept, reject, rule, score } from "../verdict.ts";

export const helloDotless = rule({
  id: "hello-dotless",
  stage: "sender",
  meaning: "HELO has no dot; refused from clients without a verified name for which no domain vouches (SPF).",
  mode: "enforce",
  spares: "known",
  judge: async ({ client, hello, sender }) => {
    if (hello.form !== "dotless" && hello.form !== "other") return accept();
    // small offices and old appliances give the machine's short name; what they send is theirs all the same
    if (!(await client.isUnnamed())) return score(1, hello.name);
    if (await sender.authorised()) return score(1, `${hello.name}, authorised by SPF`);
    const text = `Your server calls itself "${hello.name}", and ${client.address} has no name in DNS; give it a full name, or reverse DNS`;
    return reject(text, hello.name);
  },
});
