// greylist: a suspicious session is asked to come again; what only sprays does not. Never those we know, and never without suspicion.

import { accept, defer, rule } from "../verdict.ts";

export const greylist = rule({
  id: "greylist",
  stage: "recipient",
  meaning:
    "A suspicious session (its score) whose client, sender and recipient did not meet before is asked to try again later.",
  mode: "enforce",
  spares: "known",
  judge: async ({ client, sender, recipient }, { points, thresholds }) => {
    if (points < thresholds.suspicious) return accept(`${points} points`);
    const listings = await client.listings();
    // somebody whom the administrator believes vouches for it
    if (listings.reduce((sum, { weight }) => sum + weight, 0) < 0) return accept("on an allow list");
    // pools of senders retry from other addresses: the domain that vouches for them is who they are
    const who = (await sender.authorised()) ? sender.domain : client.network;
    const answer = await client.world.memory.greylist(who, sender.address, recipient.address);
    if (answer.kind === "pass") return accept(who);
    const wait = Math.max(1, Math.ceil((answer.until - client.world.clock.now()) / 60_000));
    return defer(`Your server is new here; try again in ${wait} minute${wait === 1 ? "" : "s"}`, who, {
      code: 451,
    });
  },
});
