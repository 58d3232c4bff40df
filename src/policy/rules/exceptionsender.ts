// exception, about the sender.

import { exceptionVerdict } from "../exceptions/verdict.ts";
import { rule } from "../verdict.ts";

export const exceptionSender = rule({
  id: "exception",
  stage: "sender",
  meaning: "The administrator has denied this sender (kenro policy deny from:ADDRESS).",
  mode: "enforce",
  spares: "relay",
  judge: async ({ sender }) =>
    exceptionVerdict(await sender.exception(), `This server takes no mail from <${sender.address}>`),
});
