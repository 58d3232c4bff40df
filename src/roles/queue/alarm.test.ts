import assert from "node:assert/strict";
import test from "node:test";
import { seeded } from "#test/support/brokendisk.ts";
import { FakeClock } from "#test/support/clock.ts";
import { Alarm, type Due } from "./alarm.ts";

test("everything rings at its time, in order, with one timer", async () => {
  const clock = new FakeClock(0);
  const rung: (readonly [number, number])[] = [];
  const alarm = new Alarm<Due>(clock, (items) => {
    for (const { due } of items) rung.push([due, clock.now()]);
  });
  const seed = 7;
  const random = seeded(seed);
  const dues = Array.from({ length: 500 }, () => Math.floor(random() * 10_000_000));
  for (const due of dues) alarm.add({ due });
  assert.equal(clock.pending.length, 1);
  for (let step = 0; step < 12; step++) await clock.advance(1_000_000);
  assert.deepEqual(
    rung.map(([due]) => due),
    [...dues].sort((a, b) => a - b),
    `seed ${seed}`,
  );
  for (const [due, at] of rung) assert.equal(at, due);
  assert.deepEqual([alarm.size, clock.pending.length], [0, 0]);
});

test("what is taken out does not ring; a clock that jumps forward is noticed within 25 minutes", async () => {
  const clock = new FakeClock(0);
  const rung: number[] = [];
  const alarm = new Alarm<Due>(clock, (items) => rung.push(...items.map(({ due }) => due)));
  for (const due of [5_000, 6_000, 90_000_000]) alarm.add({ due });
  assert.deepEqual(
    alarm.take(({ due }) => due === 5_000).map(({ due }) => due),
    [5_000],
  );
  await clock.advance(10_000);
  assert.deepEqual(rung, [6_000]);
  clock.jump(100_000_000);
  await clock.advance(1_500_000);
  assert.deepEqual(rung, [6_000, 90_000_000]);
});

test("a hundred thousand are added and ring in a moment", async () => {
  const clock = new FakeClock(0);
  let rung = 0;
  const alarm = new Alarm<Due>(clock, (items) => {
    rung += items.length;
  });
  for (let n = 0; n < 100_000; n++) alarm.add({ due: 100_000 + ((n * 7919) % 100_003) });
  clock.jump(300_000);
  await clock.advance(1_500_000);
  assert.equal(rung, 100_000);
});
