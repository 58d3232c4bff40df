import assert from "node:assert/strict";
import test from "node:test";
import { systemClock } from "#base/clock.ts";
import { judgeRecorded } from "#test/support/recorded.ts";
import { type Recorded, sessions } from "../../test/fixtures/sessions/sessions.ts";

/** The verdict with the default configuration, and nobody remembered. */
async function verdict(session: Recorded): Promise<string> {
  const { decision } = await judgeRecorded(session);
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
