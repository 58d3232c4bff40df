// header-date: every message has a date (RFC 5322 §3.6); programs that send what nobody asked for often forget it.

import { accept, rule, score } from "../verdict.ts";

export const headerDate = rule({
  id: "header-date",
  stage: "message",
  meaning: "The message has no Date field: 2 points.",
  mode: "enforce",
  spares: "known",
  judge: ({ message }) => (message.hasDate ? accept() : score(2, "no Date field")),
});
