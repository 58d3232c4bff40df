import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import { FakeClock } from "#test/support/clock.ts";
import { lookOf } from "./look.ts";

test("a look is remembered once what it shows has settled, and not before", () => {
  const clock = new FakeClock();
  const found = (age: number) => ({
    size: 10,
    mtimeMs: 1,
    changedMs: clock.now() - age,
    inode: 7,
    device: 1,
    directory: false,
    regular: true,
  });
  assert.deepEqual(lookOf(undefined, clock), { now: "", remembered: "" });
  const { settle } = limits.rules;
  for (const [age, settled] of [
    [0, false],
    [settle - 1, false],
    [settle, true],
    // a clock that was set back
    [1 - settle, false],
    [-settle, true],
  ] as const) {
    const look = lookOf(found(age), clock);
    assert.equal(look.remembered, settled ? look.now : undefined, `${age} ms`);
  }
});

test("every change makes another look", () => {
  const clock = new FakeClock();
  const found = { size: 10, mtimeMs: 1, changedMs: 2, inode: 7, device: 1, directory: false, regular: true };
  const looks = [{}, { size: 11 }, { mtimeMs: 3 }, { changedMs: 3 }, { inode: 8 }].map(
    (change) => lookOf({ ...found, ...change }, clock).now,
  );
  assert.equal(new Set(["", ...looks]).size, looks.length + 1);
});
