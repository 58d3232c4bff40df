// message-score: what the message adds to the points of its session (rules/score.ts) may be what makes them too many.

import { rule } from "../verdict.ts";
import { tooMany } from "./score.ts";

export const messageScore = rule({
  id: "message-score",
  stage: "message",
  meaning: "What speaks against the session and its message adds up to policy.reject_score or more.",
  mode: "enforce",
  spares: "known",
  judge: (_, sofar) => tooMany(sofar),
});
