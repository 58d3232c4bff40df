import assert from "node:assert/strict";
import test from "node:test";
import { BrokenDisk } from "#test/support/brokendisk.ts";
import { readStart } from "./source.ts";

test("the start of a body has at least what was asked for, and all of a shorter one", async () => {
  const disk = new BrokenDisk();
  const size = 300_000;
  const whole = Buffer.from(Array.from({ length: size }, (_, at) => at % 251));
  await disk.makeDirectory("spool/body", 0o700);
  const file = await disk.create("spool/body/a", 0o600);
  await file.write([whole], 0);
  await file.close();
  for (const most of [1, 70_000, 200_000, size, 2 * size]) {
    const start = await readStart(disk, "spool", { kind: "file", name: "a", size }, most);
    assert.ok(start.length >= Math.min(most, size), `${start.length} of ${most}`);
    assert.ok(start.length < most + 70_000, `${start.length} of ${most}`);
    assert.ok(start.equals(whole.subarray(0, start.length)));
  }
});
