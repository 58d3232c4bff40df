// bounce-many: a bounce goes to the one who sent the message (RFC 5321 §4.5.5).

import { accept, reject, rule } from "../verdict.ts";

export const bounceMany = rule({
  id: "bounce-many",
  stage: "recipient",
  meaning: "The null sender has more than one recipient.",
  mode: "enforce",
  spares: "reliable",
  structural: true,
  judge: ({ sender, recipient }) =>
    sender.address === "" && recipient.before > 0
      ? reject("A bounce goes to one recipient", `${recipient.before + 1} recipients`, { enhanced: "5.5.3" })
      : accept(),
});
