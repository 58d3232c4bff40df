// access: what tcprules say of the client's address and of its name; both count (docs/tcprules.md).

import { accept, defer, reject, rule } from "../verdict.ts";

const NOT_HERE = "This server takes no mail from you";

export const access = rule({
  id: "access",
  stage: "connect",
  meaning: "The client's address or verified name is denied by smtp.rules (deny, BADHOST, RBLSMTPD).",
  mode: "enforce",
  spares: "relay",
  judge: async ({ client }) => {
    const { denied, badHost, blocklisted, evidence } = await client.access();
    if (denied) return reject(NOT_HERE, evidence, { code: 554, now: true });
    if (badHost !== undefined) return reject(badHost === "" ? NOT_HERE : badHost, evidence, { code: 554 });
    if (blocklisted?.kind !== "refuse") return accept(evidence);
    // as rblsmtpd: permanent only behind a minus sign
    const text = blocklisted.text === "" ? NOT_HERE : blocklisted.text;
    return blocklisted.permanent ? reject(text, evidence, { code: 553 }) : defer(text, evidence);
  },
});
