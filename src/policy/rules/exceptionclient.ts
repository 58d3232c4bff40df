// exception, about the client: the administrator has denied its address or its verified name (kenro policy deny).

import { exceptionVerdict } from "../exceptions/verdict.ts";
import { rule } from "../verdict.ts";

export const exceptionClient = rule({
  id: "exception",
  stage: "connect",
  meaning: "The administrator has denied this client, HELO, sender or recipient (kenro policy deny).",
  mode: "enforce",
  spares: "relay",
  judge: async ({ client }) =>
    exceptionVerdict(await client.exception(), `This server takes no mail from ${client.address}`),
});
