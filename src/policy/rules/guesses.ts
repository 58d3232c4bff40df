// guesses: who asks for many addresses that do not exist tries out a dictionary.

import { accept, defer, rule, type Verdict } from "../verdict.ts";

/** Unknown recipients of a client lately: from the first on it waits, from the second on it is sent away. */
const SLOW = 5;
const AWAY = 20;
const PAUSE = 5000;

export const guesses = rule({
  id: "guesses",
  stage: "recipient",
  meaning: "The client asked for many recipients that do not exist: it is slowed down, then sent away.",
  mode: "enforce",
  spares: "reliable",
  judge: async ({ client }): Promise<Verdict> => {
    const count = (await client.memory()).guesses + client.guesses;
    const evidence = `${count} unknown recipients`;
    if (count >= AWAY)
      return defer("Too many recipients that do not exist; try again later", evidence, {
        code: 421,
        enhanced: "4.7.0",
        now: true,
      });
    return count >= SLOW ? { kind: "slow", ms: PAUSE, evidence } : accept(evidence);
  },
});
