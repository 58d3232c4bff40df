// sender-ours: our own users come in through submission; who sends in their name from outside is a forwarder or a forger.

import { accept, reject, rule, score } from "../verdict.ts";

export const senderOurs = rule({
  id: "sender-ours",
  stage: "sender",
  meaning:
    "The sender is in one of our domains, the client did not log in, and nothing speaks for it (SPF, its name).",
  mode: "enforce",
  spares: "reliable",
  judge: async ({ client, hello, sender }) => {
    if (sender.address === "" || !(await client.world.server.isLocal(sender.domain))) return accept();
    if (await sender.authorised()) return accept("authorised by SPF");
    const evidence = `<${sender.address}> is ours`;
    // mail of ours that is forwarded back to us
    const dynamic = (await client.dynamic()) !== undefined;
    if ((await client.verifiedName()) !== undefined && !dynamic && (await hello.confirmed()))
      return score(3, `${evidence}; perhaps a forwarder`);
    const text = `<${sender.address}> is an address of ours; its owner sends through the submission port, after logging in`;
    return reject(text, evidence);
  },
});
