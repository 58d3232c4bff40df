// exception, about the recipient.

import { exceptionVerdict } from "../exceptions/verdict.ts";
import { rule } from "../verdict.ts";

export const exceptionRecipient = rule({
  id: "exception",
  stage: "recipient",
  meaning: "The administrator has denied this recipient (kenro policy deny to:ADDRESS).",
  mode: "enforce",
  spares: "relay",
  judge: async ({ recipient }) =>
    exceptionVerdict(await recipient.exception(), "This address takes no mail from outside"),
});
