import assert from "node:assert/strict";
import test from "node:test";
import { FakeClock } from "#test/support/clock.ts";
import { pause, repeat, within } from "./clock.ts";

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

test("what is repeated runs first, then again after its end, never twice at once, until it is cancelled", async () => {
  const clock = new FakeClock();
  let begun = 0;
  let end = () => {};
  const work = () => {
    begun++;
    return new Promise<void>((resolve) => (end = resolve));
  };
  const repeating = repeat(clock, { first: 10, every: 100 }, work);
  await clock.advance(9);
  assert.equal(begun, 0);
  await clock.advance(1);
  assert.equal(begun, 1);
  await clock.advance(1000);
  assert.equal(begun, 1);
  end();
  await clock.advance(100);
  assert.equal(begun, 2);
  // also while it runs
  repeating.cancel();
  end();
  await clock.advance(1000);
  assert.equal(begun, 2);
});
