import assert from "node:assert/strict";
import test from "node:test";
import { systemClock } from "#base/clock.ts";
import { checkMailFrom } from "#origin/spf.ts";
import { FakeClock } from "#test/support/clock.ts";
import { standardPolicy } from "#test/support/listeners.ts";
import { policyWorld } from "#test/support/policyworld.ts";
import { TableResolver } from "#test/support/table.ts";
import { type Recorded, sessions } from "../../test/fixtures/sessions/sessions.ts";
import { sessionZones } from "../../test/fixtures/sessions/zones.ts";
import { Judge, judgingBy } from "./judge.ts";
import { findingOf } from "./world.ts";

/** The verdict with the default configuration, and nobody remembered. */
async function verdict({ ip, helo, from, to }: Recorded): Promise<string> {
  const clock = new FakeClock();
  const resolver = new TableResolver(sessionZones());
  const world = policyWorld({
    clock,
    resolver,
    // a suspicious session is asked to come again
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
  const decision = await judged;
  return decision ? `${decision.kind} by ${decision.rule}: ${decision.evidence}` : "";
}

test("no wanted session is refused or put off, and of the abuse at least 97 % is refused before DATA", async () => {
  const began = systemClock.monotonic();
  const wrong: string[] = [];
  let missed = 0;
  for (const session of sessions) {
    const said = await verdict(session);
    if (session.wanted && said !== "") wrong.push(`${session.name} (${session.why}): ${said}`);
    if (!session.wanted && !said.startsWith("reject")) {
      missed++;
      wrong.push(`${session.name} (${session.why}): taken ${said}`);
    }
  }
  const abuse = sessions.filter(({ wanted }) => !wanted).length;
  assert.ok(sessions.length >= 120 && abuse >= 60);
  assert.ok(missed / abuse <= 0.03 && wrong.length === missed, wrong.join("\n"));
  assert.ok(systemClock.monotonic() - began < 60_000);
});
