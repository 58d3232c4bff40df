import assert from "node:assert/strict";
import test from "node:test";
import { FakeClock } from "#test/support/clock.ts";
import { pause, within } from "./clock.ts";

test("what comes in time is what comes, good or bad; its timer ends with it", async () => {
  const clock = new FakeClock();
  const late = () => assert.fail("it came in time");
  assert.equal(await within(clock, 100, Promise.resolve("found"), late), "found");
  await assert.rejects(within(clock, 100, Promise.reject(new Error("lost")), late), /^Error: lost$/);
  await clock.advance(1000);
});

test("what does not come in time is what `late` says or throws", async () => {
  const clock = new FakeClock();
  const never = new Promise<string>(() => {});
  const told = within(clock, 100, never, () => "late");
  const thrown = assert.rejects(
    within(clock, 100, never, () => {
      throw new Error("too late");
    }),
    /^Error: too late$/,
  );
  let settled = false;
  void told.finally(() => (settled = true));
  await clock.advance(99);
  assert.equal(settled, false);
  await clock.advance(1);
  assert.equal(await told, "late");
  await thrown;
});

test("a pause lasts as long as was said", async () => {
  const clock = new FakeClock();
  let over = false;
  void pause(clock, 100).then(() => (over = true));
  await clock.advance(99);
  assert.equal(over, false);
  await clock.advance(1);
  assert.equal(over, true);
});
