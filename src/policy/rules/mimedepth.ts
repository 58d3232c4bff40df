// mime-depth: what lies deeper than any reader or virus scanner looks was put there to be overlooked.

import { limits } from "#base/limits.ts";
import { accept, reject, rule } from "../verdict.ts";

export const mimeDepth = rule({
  id: "mime-depth",
  stage: "message",
  meaning: "Parts of the message lie within each other more deeply than scanners look.",
  mode: "enforce",
  spares: "known",
  judge: ({ message: { depth } }) => {
    const most = limits.policy.mimeDepth;
    if (depth <= most) return accept(`${depth} levels`);
    const evidence = `more than ${most} levels`;
    return reject(`The parts of the message lie within each other too deeply: ${evidence}`, evidence, {
      enhanced: "5.6.0",
    });
  },
});
