// A recorded session judged with the default configuration, in the DNS of the fixtures.

import assert from "node:assert/strict";
import { checkMailFrom } from "#origin/spf.ts";
import { type Decision, Judge, judgingBy, type StageRecord } from "#policy/judge.ts";
import { findingOf } from "#policy/world.ts";
import type { Recorded } from "../fixtures/sessions/sessions.ts";
import { sessionZones } from "../fixtures/sessions/zones.ts";
import { FakeClock } from "./clock.ts";
import { standardPolicy } from "./listeners.ts";
import { policyWorld } from "./policyworld.ts";
import { TableResolver } from "./table.ts";

export interface JudgedSession {
  /** undefined: it is welcome. */
  readonly decision: Decision | undefined;
  readonly stages: readonly StageRecord[];
}

/** Nobody is remembered; a suspicious session is asked to come again. */
export async function judgeRecorded({ ip, helo, from, to }: Recorded): Promise<JudgedSession> {
  const clock = new FakeClock();
  const resolver = new TableResolver(sessionZones());
  const world = policyWorld({
    clock,
    resolver,
    memory: { greylist: async () => ({ kind: "wait", until: 0 }) },
    spf: async (question) =>
      findingOf(await checkMailFrom({ ...question, receiver: "mail.a.test" }, { resolver, clock }), resolver),
  });
  const judge = new Judge({ world, ...judgingBy(standardPolicy), trouble: (text) => assert.fail(text) }, ip);
  judge.hello(helo);
  judge.sender(from);
  const judged = judge.recipient(to, 0);
  let done = false;
  void judged.finally(() => (done = true));
  for (let seconds = 0; !done && seconds < 600; seconds++) await clock.advance(1000);
  return { decision: await judged, stages: await judge.record() };
}
