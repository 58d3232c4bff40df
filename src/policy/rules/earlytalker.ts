// early-talker: a real server waits for the greeting (RFC 5321 §4.3.1); what only sprays does not.

import { accept, reject, rule } from "../verdict.ts";

export const earlyTalker = rule({
  id: "early-talker",
  stage: "connect",
  meaning: "The client spoke before it was greeted, or behind EHLO without waiting for the answer.",
  mode: "enforce",
  spares: "known",
  judge: ({ client }) =>
    client.early === undefined
      ? accept()
      : reject("Your server does not wait for its turn to speak", client.early, {
          code: 554,
          enhanced: "5.5.1",
        }),
});
