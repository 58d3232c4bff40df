import assert from "node:assert/strict";
import test from "node:test";
import { backoff, isLast, nextAttempt, SKIP } from "./schedule.ts";

const LIFETIME = 604_800_000;

function undisturbed(skip: number): number[] {
  const birth = Date.UTC(2026, 0, 1);
  const tries: number[] = [];
  for (let now = birth; ; now = nextAttempt(birth, now, skip)) {
    tries.push((now - birth) / 1000);
    if (isLast(birth, now, LIFETIME)) return tries;
  }
}

test("remote mail is tried at 400·n² seconds, 40 times", () => {
  const tries = undisturbed(SKIP.remote);
  assert.deepEqual(
    tries.slice(0, 12),
    [0, 400, 1600, 3600, 6400, 10_000, 14_400, 19_600, 25_600, 32_400, 40_000, 48_400],
  );
  assert.deepEqual(tries.slice(-2), [577_600, 608_400]);
  assert.equal(tries.length, 40);
});

test("local mail is tried at 100·n² seconds, 79 times", () => {
  const tries = undisturbed(SKIP.local);
  assert.deepEqual(
    tries.slice(0, 12),
    [0, 100, 400, 900, 1600, 2500, 3600, 4900, 6400, 8100, 10_000, 12_100],
  );
  assert.deepEqual(tries.slice(-2), [592_900, 608_400]);
  assert.equal(tries.length, 79);
});

test("a birth in the future counts as now", () => {
  assert.equal(nextAttempt(5_000_000, 0, 20), 5_000_000 + 400_000);
});

test("an attempt exactly at the end of the lifetime is not the last", () => {
  assert.equal(isLast(0, LIFETIME, LIFETIME), false);
  assert.equal(isLast(0, LIFETIME + 1, LIFETIME), true);
});

test("a destination is left alone for longer and longer, at most two hours", () => {
  assert.equal(backoff(0, 0), 400_000);
  assert.equal(backoff(0, 400_000), 1_600_000);
  assert.equal(backoff(0, 500_000_000), 507_200_000);
});
