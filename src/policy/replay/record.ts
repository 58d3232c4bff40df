// Records of sessions, as smtpd tells them and the ledger writes them: JSON, one a line, below `ledger/sessions/`. A record tells what the client
// said, what it was told, and what each rule saw. Between them stand lines about what became of the mail (fate.ts).

import { limits } from "#base/limits.ts";
import type { Result } from "#base/result.ts";
import { flag, integer, list, oneOf, optional, readJson, record, type Shaped, text } from "#base/shape.ts";
import { stageNames } from "../verdict.ts";

const { listed, evidence, reply: replyText, id } = limits.ledger;
const path = text(512);
const name = text(255);

const refusal = record({
  rule: text(64),
  code: integer(400, 599),
  from: path,
  to: path,
});

const ruleRecord = record({
  rule: text(100),
  mode: oneOf("enforce", "observe", "off"),
  verdict: oneOf("accept", "reject", "defer", "slow", "score", "skipped", "failed"),
  evidence: text(evidence),
  ms: integer(0),
});

/** A session of a stranger, when it is over: what the session files keep, from which reputation is made, and which replays read. A field that is
 * added later must be optional: old files go on being read. */
export const sessionRecordShape = record({
  id: text(id),
  /** When it ended, ms since 1970, and the same for people. */
  at: integer(),
  time: text(32),
  ip: text(64),
  /** Its verified name; left out when it has none. */
  name: optional(name),
  hello: name,
  /** HELO leads to the client. */
  confirmed: flag,
  /** Of the last transaction, "" for the null sender. */
  sender: path,
  /** The first ones, with the reply to RCPT as the client got it: "550 5.7.1 … (hello-listed) […]"; `from`: of an earlier transaction whose sender was
   * another one. */
  recipients: list(record({ address: path, reply: text(replyText), from: optional(path) }), listed),
  /** The sender's domain when SPF vouches for the client, else "". */
  domain: name,
  /** accepted: mail came; refused, deferred: a rule said so and none came; none: nothing of the kind. */
  verdict: oneOf("accepted", "refused", "deferred", "none"),
  messages: integer(0),
  /** Ids of the first messages that were taken, by which it is known later what became of them. */
  mail: optional(list(text(id), listed)),
  /** Our users write to the sender. */
  correspondent: optional(flag),
  /** Recipients that were taken, that do not exist, that are traps. */
  accepted: integer(0),
  unknown: integer(0),
  traps: integer(0),
  /** Recipients and messages that rules refused: how many, and the first ones; `to` is "" for a message. */
  refusals: integer(0),
  refused: list(refusal, listed),
  /** What the rules that ran said about the last transaction. */
  stages: list(record({ stage: oneOf(...stageNames), rules: list(ruleRecord, 200) }), 10),
  ms: integer(0),
});

export type SessionRecord = Shaped<typeof sessionRecordShape>;

/** A line of a session file as a record; an error for what is none. */
export const readSession = (line: Buffer): Result<SessionRecord> => readJson(sessionRecordShape, line);

export type RecordedRule = SessionRecord["stages"][number]["rules"][number];

/** What a rule said in a session; undefined when it did not run: it was off, or another had refused before. */
export function saidOf({ stages }: Pick<SessionRecord, "stages">, rule: string): RecordedRule | undefined {
  const found = stages.flatMap(({ rules }) => rules).filter((each) => each.rule === rule);
  const ran = found.filter(({ verdict }) => verdict !== "skipped" && verdict !== "failed");
  return ran.find(({ verdict }) => verdict !== "accept") ?? ran[0];
}
