// header-from: a message says once whom it is from (RFC 5322 §3.6). With two of these fields, readers show one and checks look at the other.

import { accept, reject, rule } from "../verdict.ts";

export const headerFrom = rule({
  id: "header-from",
  stage: "message",
  meaning: "The message has no From field, an empty one, or more than one.",
  mode: "enforce",
  spares: "known",
  judge: ({ message: { from } }) => {
    const [only] = from;
    const refused = (what: string) =>
      reject(`The message has ${what}: it needs exactly one (RFC 5322)`, what, { enhanced: "5.6.0" });
    if (only === undefined) return refused("no From field");
    if (from.length > 1) return refused("several From fields");
    return only.trim() === "" ? refused("an empty From field") : accept();
  },
});
