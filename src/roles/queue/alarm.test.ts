import assert from "node:assert/strict";
import test from "node:test";
import { seeded } from "#test/support/brokendisk.ts";
import { FakeClock } from "#test/support/clock.ts";
import { Alarm } from "./alarm.ts";

test("everything rings at its time, in order, with one timer; set again, it rings at the new time only; cleared, never", async () => {
  const clock = new FakeClock(0);
  const rung: (readonly [number, number])[] = [];
  const alarm = new Alarm(clock, (slots) => {
    for (const slot of slots) rung.push([slot, clock.now()]);
  });
  const seed = 7;
  const random = seeded(seed);
  const some = () => Math.floor(random() * 10_000_000);
  const dues = new Map<number, number>();
  for (let slot = 0; slot < 3000; slot++) dues.set(slot, some());
  for (const [slot, due] of dues) alarm.set(slot, due);
  for (let slot = 0; slot < 3000; slot += 3) {
    dues.set(slot, some());
    alarm.set(slot, dues.get(slot) ?? 0);
  }
  for (let slot = 0; slot < 3000; slot += 7) {
    if (slot % 2 === 0) alarm.clear(slot);
    else alarm.set(slot, Number.POSITIVE_INFINITY);
    dues.delete(slot);
  }
  assert.equal(alarm.size, dues.size);
  assert.equal(clock.pending.length, 1);
  for (let step = 0; step < 12; step++) await clock.advance(1_000_000);
  const wanted = [...dues].sort((a, b) => a[1] - b[1]);
  assert.deepEqual(
    rung.map(([, at]) => at),
    wanted.map(([, due]) => due),
    `seed ${seed}`,
  );
  for (const [slot, at] of rung) assert.equal(at, dues.get(slot), `slot ${slot}`);
  assert.deepEqual([alarm.size, clock.pending.length], [0, 0]);
});

test("a clock that jumps forward is noticed within 25 minutes", async () => {
  const clock = new FakeClock(0);
  const rung: number[] = [];
  const alarm = new Alarm(clock, (slots) => rung.push(...slots));
  alarm.set(1, 6_000);
  alarm.set(2, 90_000_000);
  await clock.advance(10_000);
  assert.deepEqual(rung, [1]);
  clock.jump(100_000_000);
  await clock.advance(1_500_000);
  assert.deepEqual(rung, [1, 2]);
});

test("a hundred thousand are added and ring in a moment, at most a thousand in one turn", async () => {
  const clock = new FakeClock(0);
  const rung: number[] = [];
  const alarm = new Alarm(clock, (slots) => rung.push(slots.length));
  for (let n = 0; n < 100_000; n++) alarm.set(n, 100_000 + ((n * 7919) % 100_003));
  clock.jump(300_000);
  alarm.look();
  assert.deepEqual(rung, [1000]);
  await clock.advance(0);
  assert.deepEqual(
    rung,
    Array.from({ length: 100 }, () => 1000),
  );
});
