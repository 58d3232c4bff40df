import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import type { DiskStat } from "./disk.ts";
import { glancing } from "./glance.ts";
import { quickDisk } from "./quickdisk.ts";

/** A disk on which every look gives another size, one larger than the last. */
function counting() {
  let looks = 0;
  return glancing({ ...quickDisk, stat: async () => ({ size: ++looks }) as DiskStat });
}

test("who looks in the same turn sees the same", async () => {
  const disk = counting();
  const first = await disk.stat("a");
  assert.equal((await disk.stat("a"))?.size, first?.size);
});

test("every file is looked at for itself", async () => {
  const disk = counting();
  assert.notEqual((await disk.stat("a"))?.size, (await disk.stat("b"))?.size);
});

test("who looks in the next turn sees what has changed, time and again", async () => {
  const disk = counting();
  for (let expected = 1; expected <= 3; expected++) {
    assert.equal((await disk.stat("a"))?.size, expected);
    await turn();
  }
});
