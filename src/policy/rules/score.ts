// score: many small things against a session are one large one.

import { accept, reject, rule, type SoFar, type Verdict } from "../verdict.ts";

export const scoreRule = rule({
  id: "score",
  stage: "recipient",
  meaning: "What speaks against the session adds up to policy.reject_score or more.",
  mode: "enforce",
  spares: "known",
  judge: (_, sofar) => tooMany(sofar),
});

/** How many times the points that refuse. */
export const PLAUSIBLE = 2;

export function tooMany({ points, reasons, thresholds }: SoFar): Verdict {
  if (points < thresholds.reject) return accept(`${points} points`);
  return reject("Too much speaks against this session; ask your postmaster", reasons.join("; "), {
    // what is far beyond is no mistake
    plausible: points < PLAUSIBLE * thresholds.reject,
  });
}
