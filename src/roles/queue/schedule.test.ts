import assert from "node:assert/strict";
import test from "node:test";
import { backOff, nextAttempt } from "./schedule.ts";

/** Attempts of an undisturbed message, seconds after its arrival, until its lifetime is over. */
function attempts(channel: "local" | "remote", lifetime = 604_800): number[] {
  const times = [0];
  for (let now = 0; now <= lifetime * 1000; times.push(now / 1000)) now = nextAttempt(0, now, channel);
  return times;
}

test("remote attempts follow qmail's vectors", () => {
  const times = attempts("remote");
  assert.deepEqual(times.slice(0, 12), [0, 400, 1600, 3600, 6400, 10000, 14400, 19600, 25600, 32400, 40000, 48400]);
  assert.deepEqual(times.slice(-2), [577600, 608400]);
  assert.equal(times.length, 40);
});

test("local attempts follow qmail's vectors", () => {
  const times = attempts("local");
  assert.deepEqual(times.slice(0, 12), [0, 100, 400, 900, 1600, 2500, 3600, 4900, 6400, 8100, 10000, 12100]);
  assert.deepEqual(times.slice(-2), [592900, 608400]);
  assert.equal(times.length, 79);
});

test("a clock before the message's birth counts as its birth", () => {
  assert.equal(nextAttempt(5_000_000, 1000, "remote"), 5_400_000);
});

test("a destination is left alone longer and longer, at most an hour", () => {
  assert.deepEqual([1, 2, 3, 7, 100].map(backOff), [60_000, 120_000, 240_000, 3_600_000, 3_600_000]);
});
