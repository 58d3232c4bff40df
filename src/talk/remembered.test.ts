import assert from "node:assert/strict";
import test from "node:test";
import { FakeClock } from "#test/support/clock.ts";
import { Remembered } from "./remembered.ts";

function world(entries = 10) {
  const clock = new FakeClock();
  const asked: string[] = [];
  let fails = false;
  const remembered = new Remembered<string>({
    clock,
    life: 100,
    entries,
    ask: async (key) => {
      asked.push(key);
      if (fails) throw new Error("away");
      return key.toUpperCase();
    },
    fleeting: (answer) => answer.startsWith("NO"),
  });
  return {
    clock,
    asked,
    remembered,
    fail: (now: boolean) => {
      fails = now;
    },
  };
}

test("an answer is asked for once while it lives", async () => {
  const { clock, asked, remembered } = world();
  assert.deepEqual(await Promise.all([remembered.get("a"), remembered.get("a")]), ["A", "A"]);
  await clock.advance(99);
  assert.equal(await remembered.get("a"), "A");
  assert.deepEqual(asked, ["a"]);
  await clock.advance(1);
  assert.equal(await remembered.get("a"), "A");
  assert.deepEqual(asked, ["a", "a"]);
});

test("fleeting answers and failures are asked for again at once", async () => {
  const { asked, remembered, fail } = world();
  assert.deepEqual(await Promise.all([remembered.get("no1"), remembered.get("no1")]), ["NO1", "NO1"]);
  assert.equal(await remembered.get("no1"), "NO1");
  fail(true);
  await assert.rejects(remembered.get("b"), /away/);
  fail(false);
  assert.equal(await remembered.get("b"), "B");
  assert.deepEqual(asked, ["no1", "no1", "b", "b"]);
});

test("it does not grow beyond its entries", async () => {
  const { asked, remembered } = world(3);
  for (const key of ["a", "b", "c", "d", "d", "a"]) await remembered.get(key);
  assert.deepEqual(asked, ["a", "b", "c", "d", "a"]);
});
