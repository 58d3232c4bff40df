import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { limits } from "#base/limits.ts";
import { Logger } from "#log/logger.ts";
import { useBelow, useOf } from "#store/maildir/use.ts";
import { type Disk, realDisk } from "#sys/disk.ts";
import type { Use } from "#talk/lookup.ts";
import { BrokenDisk } from "#test/support/brokendisk.ts";
import { FakeClock } from "#test/support/clock.ts";
import { folderFor } from "./folder.ts";
import { QuotaKeeper } from "./quota.ts";

/** A disk with directories that can be listed. */
function place(context: TestContext): string {
  const root = mkdtempSync(path.join(tmpdir(), "kenro-quota-"));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  return path.join(root, "m");
}

async function put(disk: Disk, at: string, size = 0): Promise<void> {
  await disk.makeDirectory(at.slice(0, at.lastIndexOf("/")), 0o700);
  const file = await disk.create(at, 0o600);
  if (size > 0) await file.write([Buffer.alloc(size)], 0);
  await file.close();
}

function keeper() {
  const disk = new BrokenDisk();
  const clock = new FakeClock();
  const told: Use[] = [];
  const log = new Logger({ role: "local", clock, level: "info", sink: () => {} });
  const quotas = new QuotaKeeper({ disk, clock, log, tell: (use) => told.push(use) });
  let count = 0;
  /** Delivers so many bytes; false: they did not fit. */
  const deliver = (bytes: number, quota: { bytes: number; messages: number }, fails = false) =>
    quotas.deliver([{ at: "m", quota, many: false }], async (mayAdd) => {
      if (!(await mayAdd(bytes))) return false;
      // the others go on meanwhile
      await new Promise((resolve) => setImmediate(resolve));
      if (fails) throw new Error("broken");
      await put(disk, `m/new/${++count},S=${bytes},W=9`);
      return true;
    });
  return { disk, clock, told, quotas, deliver };
}

test("useOf() counts all folders but Rejects, by the names where they say it", async (context) => {
  const m = place(context);
  assert.deepEqual(await useOf(realDisk, m), { bytes: 0, messages: 0 });
  await put(realDisk, `${m}/new/1.a.h,S=100,W=110`);
  await put(realDisk, `${m}/cur/2.a.h,S=20,W=22:2,S`);
  await put(realDisk, `${m}/cur/3.a.h:2,`, 7);
  await put(realDisk, `${m}/tmp/4.a.h,S=1000`);
  await put(realDisk, `${m}/.Sent/cur/5.a.h,W=9,S=3:2,S`);
  await put(realDisk, `${m}/.Rejects/new/6.a.h,S=5000`);
  assert.deepEqual(await useOf(realDisk, m), { bytes: 130, messages: 4 });
});

test("what fits comes in, at the limit and one behind it, in bytes and in messages", async () => {
  for (const [quota, bytes, wanted] of [
    [{ bytes: 100, messages: 0 }, 100, true],
    [{ bytes: 100, messages: 0 }, 101, false],
    [{ bytes: 0, messages: 1 }, 1_000_000, true],
    [{ bytes: 5, messages: 1 }, 6, false],
  ] as const) {
    const { deliver } = keeper();
    assert.equal(await deliver(bytes, quota), wanted);
    assert.equal(await deliver(1, { ...quota, messages: 1 }), !wanted);
  }
});

test("of many at once no more come in than fit, and what failed makes room", async () => {
  const { deliver, told, disk } = keeper();
  const quota = { bytes: 95, messages: 0 };
  const done = await Promise.all(Array.from({ length: 20 }, () => deliver(10, quota)));
  assert.equal(done.filter(Boolean).length, 9);
  assert.deepEqual(told.at(-1), { at: "m", bytes: 90, messages: 9 });
  await assert.rejects(deliver(5, quota, true));
  assert.equal(await deliver(5, quota), true);
  assert.equal((await disk.list("m/new")).length, 10);
});

test("a full mailbox is looked into, so that auth hears soon when there is room", async () => {
  const { deliver, told, clock, disk } = keeper();
  const quota = { bytes: 10, messages: 0 };
  await deliver(10, quota);
  assert.equal(await deliver(1, quota), false);
  await clock.advance(limits.directory.usage.recount);
  assert.deepEqual(told.at(-1), { at: "m", bytes: 10, messages: 1 });
  for (const name of await disk.list("m/new")) await disk.remove(`m/new/${name}`);
  await clock.advance(limits.directory.usage.recount);
  assert.deepEqual(told.at(-1), { at: "m", bytes: 0, messages: 0 });
  const before = told.length;
  await clock.advance(10 * limits.directory.usage.recount);
  assert.equal(told.length, before, "it is full no more");
  assert.equal(await deliver(10, quota), true);
});

test("all mailboxes of a domain together have a bound too, and what one of them refuses counts nowhere", async (context) => {
  const root = place(context);
  const clock = new FakeClock();
  const log = new Logger({ role: "local", clock, level: "info", sink: () => {} });
  const told: Use[] = [];
  const quotas = new QuotaKeeper({ disk: realDisk, clock, log, tell: (use) => told.push(use) });
  context.after(() => quotas.close());
  let count = 0;
  const deliver = (who: string, own: number) => {
    const at = `${root}/${who}/Maildir`;
    const bounds = [
      { at, quota: { bytes: own, messages: 0 }, many: false },
      { at: root, quota: { bytes: 100, messages: 0 }, many: true },
    ];
    return quotas.deliver(bounds, async (mayAdd) => {
      if (!(await mayAdd(30))) return false;
      await put(realDisk, `${at}/new/${++count},S=30`);
      return true;
    });
  };
  assert.deepEqual(await Promise.all([deliver("ann", 1000), deliver("bob", 20), deliver("carl", 1000)]), [
    true,
    false,
    true,
  ]);
  assert.deepEqual(await useBelow(realDisk, root), { bytes: 60, messages: 2 });
  assert.deepEqual(
    [await deliver("ann", 1000), await deliver("ann", 1000), await deliver("dora", 1000)],
    [true, false, false],
  );
  assert.deepEqual(told.at(-1), { at: root, bytes: 90, messages: 3 });
  // what the domain refused is not ann's
  rmSync(`${root}/carl`, { recursive: true });
  assert.equal(await deliver("ann", 90), true);
});

test("mail for an extension goes into the folder of its name", async (context) => {
  const m = place(context);
  for (const name of [".News", ".Lists.Dev", ".Gr&APwA3w-e", ".Rejects", "new"])
    await put(realDisk, `${m}/${name}/maildirfolder`);
  for (const [ext, wanted] of [
    [undefined, "m"],
    ["news", "m/.News"],
    ["lists-dev", "m/.Lists.Dev"],
    ["lists.dev", "m/.Lists.Dev"],
    ["grüße", "m/.Gr&APwA3w-e"],
    ["lists", "m"],
    ["rejects", "m"],
    ["new", "m"],
    ["..", "m"],
  ] as const)
    assert.equal(await folderFor(realDisk, m, ext), m + wanted.slice(1), ext ?? "none");
});
