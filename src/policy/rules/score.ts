// score: many small things against a session are one large one.

import { accept, reject, rule } from "../verdict.ts";

export const scoreRule = rule({
  id: "score",
  stage: "recipient",
  meaning: "What speaks against the session adds up to policy.reject_score or more.",
  mode: "enforce",
  spares: "known",
  judge: (_, { points, reasons, thresholds }) => {
    if (points < thresholds.reject) return accept(`${points} points`);
    return reject("Too much speaks against this session; ask your postmaster", reasons.join("; "));
  },
});
