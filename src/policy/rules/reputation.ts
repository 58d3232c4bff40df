// reputation: what is remembered of the client, its HELO and its sender. It tips the scales; it refuses nobody by itself.

import { accept, rule, score, type Verdict } from "../verdict.ts";

/** Points of the worst reputation; fewer than make a session suspicious. */
const WORST = 4;
/** Points in favour of the best. */
const BEST = 2;

export const reputation = rule({
  id: "reputation",
  stage: "sender",
  meaning:
    "What earlier sessions of this client, HELO or sender domain were like; up to 4 points against it, or 2 in its favour.",
  mode: "enforce",
  spares: "known",
  judge: async ({ client, sender }): Promise<Verdict> => {
    const [{ reputation: own }, { hello, domain }] = await Promise.all([client.memory(), sender.regard()]);
    const evidence = `client ${own}, HELO ${hello}, sender domain ${domain}`;
    // a name that others gave before counts half: it may be one of a program
    const worst = Math.min(own, hello / 2, domain);
    if (worst < 0) {
      const points = Math.ceil((-worst * WORST) / 10);
      return score(points, evidence);
    }
    const points = Math.floor((Math.max(own, domain) * BEST) / 10);
    return points === 0 ? accept(evidence) : score(-points, evidence);
  },
});
