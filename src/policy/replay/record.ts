// Records of sessions, as the ledger writes them: JSON, one session a line, below `ledger/sessions/`. A record tells what the client said, what it
// was told, and what each rule saw.

import type { Result } from "#base/result.ts";
import { flag, integer, list, oneOf, readJson, record, type Shape, type Shaped, text } from "#base/shape.ts";
import { stageNames } from "../verdict.ts";

/** JSON has no undefined; null stands for it in some programs. */
const maybe =
  <T>(shape: Shape<T>): Shape<T | undefined> =>
  (value, where) =>
    value === null || value === undefined ? undefined : shape(value, where);

const ruleRecord = record({
  rule: text(100),
  mode: oneOf("enforce", "observe", "off"),
  verdict: oneOf("accept", "reject", "defer", "slow", "score", "skipped", "failed"),
  evidence: text(),
});

export const sessionRecordShape = record({
  id: text(200),
  /** ms since 1970. */
  at: integer(),
  ip: text(100),
  /** Its verified name, if it has one. */
  name: maybe(text(1000)),
  hello: text(2000),
  /** Who logged in. */
  user: maybe(text(1000)),
  /** "" for the null sender. */
  sender: text(2000),
  /** Each with the reply to its RCPT, as the client got it: "550 5.7.1 … (hello-listed) […]". */
  recipients: list(record({ address: text(2000), reply: text(4000) }), 100_000),
  /** As judge.record() says. */
  stages: list(record({ stage: oneOf(...stageNames), rules: list(ruleRecord, 1000) }), 10),
  outcome: maybe(text(200)),
  /** Whether its mail was wanted, as far as somebody knows. */
  wanted: maybe(flag),
});

export type SessionRecord = Shaped<typeof sessionRecordShape>;

/** One line. */
export const readSession = (line: Buffer): Result<SessionRecord> => readJson(sessionRecordShape, line);

export type RecordedRule = SessionRecord["stages"][number]["rules"][number];

/** What a rule said in a session; undefined when it did not run: it was off, or another had refused before. */
export function saidOf({ stages }: Pick<SessionRecord, "stages">, rule: string): RecordedRule | undefined {
  const found = stages.flatMap(({ rules }) => rules).filter((each) => each.rule === rule);
  const ran = found.filter(({ verdict }) => verdict !== "skipped" && verdict !== "failed");
  return ran.find(({ verdict }) => verdict !== "accept") ?? ran[0];
}
