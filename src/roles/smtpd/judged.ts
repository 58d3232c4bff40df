// What a rule of policy refuses, in the log and as a reply.

import type { Decision } from "#policy/judge.ts";
import { judged } from "#wire/smtp/replies.ts";
import type { Reply } from "#wire/smtp/reply.ts";
import type { Connection } from "./state.ts";

/** The refusal of a rule. */
export function refusedBy({ log, id, client }: Connection, decision: Decision): Reply {
  const { rule, code, evidence } = decision;
  log.event("smtp_judged", { session: id, ip: client.address, rule, code, evidence });
  return judged(decision);
}
