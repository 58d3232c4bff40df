// exception, about HELO.

import { exceptionVerdict } from "../exceptions/verdict.ts";
import { rule } from "../verdict.ts";

export const exceptionHello = rule({
  id: "exception",
  stage: "hello",
  meaning: "The administrator has denied this HELO (kenro policy deny helo:NAME).",
  mode: "enforce",
  spares: "relay",
  judge: async ({ hello }) =>
    exceptionVerdict(
      await hello.exception(),
      `This server takes no mail from servers that call themselves "${hello.name}"`,
    ),
});
