import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/support/clock.ts";
import type { DiskStat } from "./disk.ts";
import { glancing } from "./glance.ts";
import { quickDisk } from "./quickdisk.ts";

const MS = 30;

/** A disk on which every look gives another size, one larger than the last. */
function counting() {
  let looks = 0;
  const stat = async () => ({ size: ++looks }) as DiskStat;
  const clock = new FakeClock();
  return { clock, disk: glancing({ ...quickDisk, stat }, clock, MS) };
}

test("who looks in the same moment sees the same", async () => {
  const { clock, disk } = counting();
  const first = await disk.stat("a");
  await clock.advance(MS - 1);
  assert.equal((await disk.stat("a"))?.size, first?.size);
});

test("every file is looked at for itself", async () => {
  const { disk } = counting();
  assert.notEqual((await disk.stat("a"))?.size, (await disk.stat("b"))?.size);
});

test("who looks later sees what has changed", async () => {
  const { clock, disk } = counting();
  const first = await disk.stat("a");
  await clock.advance(MS);
  assert.notEqual((await disk.stat("a"))?.size, first?.size);
});

test("names without end are not all remembered", async () => {
  const { disk } = counting();
  const first = await disk.stat("a");
  for (let count = 0; count < 1000; count++) await disk.stat(`name ${count}`);
  assert.notEqual((await disk.stat("a"))?.size, first?.size);
});
