import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { systemClock } from "#base/clock.ts";
import { Mailbox } from "#store/maildir/deliver.ts";
import { BrokenDisk } from "#test/support/brokendisk.ts";
import type { Disk } from "./disk.ts";
import { gatheredSyncs } from "./gatheredsync.ts";
import { quickDisk } from "./quickdisk.ts";
import { SyncFs } from "./syncfs.ts";

const AT = "/mail";

interface World {
  readonly disk: Disk;
  /** Syncs as they were made: "whole", or "own". */
  readonly made: string[];
  readonly told: unknown[];
  /** What becomes of the next syncs of the whole; "ok" when it is empty. */
  readonly wholes: ("ok" | "fail" | Promise<void>)[];
}

function world(below: Disk = new BrokenDisk()): World {
  const made: string[] = [];
  const told: unknown[] = [];
  const wholes: World["wholes"] = [];
  const counted: Disk = {
    ...below,
    create: async (name, mode) => counting(await below.create(name, mode)),
    open: async (name) => counting(await below.open(name)),
    stat: async (name) => {
      const found = await below.stat(name);
      const other = name.startsWith("/mail/mounted") ? 2 : 1;
      return { ...(found ?? directory), device: other };
    },
    syncDirectory: (name) => {
      made.push("own");
      return below.syncDirectory(name);
    },
    rename: (from, to) => below.rename(from, to),
    list: (name) => below.list(name),
    remove: (name) => below.remove(name),
    makeDirectory: (name, mode) => below.makeDirectory(name, mode),
  };
  function counting<T extends { sync(): Promise<void> }>(file: T): T {
    const sync = file.sync.bind(file);
    file.sync = () => {
      made.push("own");
      return sync();
    };
    return file;
  }
  const whole = {
    run: async () => {
      made.push("whole");
      const how = wholes.shift() ?? "ok";
      if (how === "fail") throw new Error("EIO");
      if (how !== "ok") await how;
    },
  };
  const trouble = (thrown: unknown) => void told.push(thrown);
  return { disk: gatheredSyncs(counted, { clock: systemClock, at: AT, whole, trouble }), made, told, wholes };
}

const directory = { size: 0, mtimeMs: 0, changedMs: 0, inode: 1, directory: true, regular: false };

const filesIn = (disk: Disk, count: number, at = AT) =>
  Promise.all(Array.from({ length: count }, (_, n) => disk.create(`${at}/${n}`, 0o600)));

test("few are synced each for itself, many together by one sync of the whole", async () => {
  const { disk, made } = world();
  const files = await filesIn(disk, 30);
  await files[0]?.sync();
  assert.deepEqual(made.splice(0), ["own"]);
  await Promise.all(files.map((file) => file.sync()));
  assert.equal(made.filter((each) => each === "whole").length, 1);
  assert.ok(made.length <= 2, "whoever came first had nobody to wait for");
});

test("a sync of the whole covers only those who asked before it began", async () => {
  const { disk, made, wholes } = world();
  const files = await filesIn(disk, 40);
  const { promise, resolve } = Promise.withResolvers<void>();
  wholes.push(promise);
  const first = Promise.all(files.slice(0, 20).map((file) => file.sync()));
  await new Promise((next) => setTimeout(next, 50));
  assert.deepEqual(made, ["own", "whole"]);
  let late = 0;
  const second = files.slice(20).map((file) => file.sync().then(() => late++));
  await new Promise((next) => setTimeout(next, 30));
  assert.equal(late, 0);
  resolve();
  await first;
  assert.equal(late, 0);
  await Promise.all(second);
  assert.deepEqual(made, ["own", "whole", "whole"]);
});

test("when the whole cannot be synced each file is, and so is every file that was open then", async () => {
  const { disk, made, told, wholes } = world();
  const before = await filesIn(disk, 20);
  wholes.push("fail");
  await Promise.all(before.map((file) => file.sync()));
  assert.equal(told.length, 1);
  assert.deepEqual(made.splice(0).sort(), [...Array<string>(20).fill("own"), "whole"]);
  // not tried again at once
  await Promise.all(before.map((file) => file.sync()));
  assert.deepEqual(made.splice(0), Array<string>(20).fill("own"));
});

test("what is mounted below is synced for itself", async () => {
  const { disk, made } = world();
  await disk.makeDirectory("/mail/mounted", 0o700);
  const files = await filesIn(disk, 20, "/mail/mounted");
  await Promise.all(files.map((file) => file.sync()));
  await Promise.all(files.map(() => disk.syncDirectory("/mail/mounted")));
  assert.deepEqual(made, Array<string>(40).fill("own"));
});

test("syncfs: the real one, many times, and again when its program was gone", async (context) => {
  const place = mkdtempSync(path.join(tmpdir(), "kenro-syncfs-"));
  const syncfs = new SyncFs(systemClock, place);
  context.after(() => {
    syncfs.close();
    rmSync(place, { recursive: true });
  });
  await Promise.all([syncfs.run(), syncfs.run(), syncfs.run()]);
  syncfs.close();
  await syncfs.run();
  const nowhere = new SyncFs(systemClock, `${place}/none`);
  await assert.rejects(nowhere.run(), /none/);
  nowhere.close();
  await assert.rejects(new SyncFs(systemClock, place, "5.7.19").run(), /5\.8/);
});

test("hundreds of deliveries into real Maildirs", async (context) => {
  const place = mkdtempSync(path.join(tmpdir(), "kenro-gathered-"));
  const syncfs = new SyncFs(systemClock, place);
  context.after(() => {
    syncfs.close();
    rmSync(place, { recursive: true });
  });
  const trouble = (thrown: unknown) => assert.fail(String(thrown));
  const disk = gatheredSyncs(quickDisk, { clock: systemClock, at: place, whole: syncfs, trouble });
  const mailboxes = Array.from({ length: 10 }, (_, n) => new Mailbox(disk, path.join(place, `box${n}`)));
  const body = Buffer.from("Subject: x\r\n\r\nbody\r\n");
  const letter = (n: number) => ({
    base: `1.id-${n}.0.h`,
    head: Buffer.from("Return-Path: <>\n"),
    body: {
      size: body.length,
      whole: body,
      chunks: async function* () {
        yield body;
      },
    },
  });
  const numbers = Array.from({ length: 300 }, (_, n) => n);
  await Promise.all(numbers.map((n) => mailboxes[n % 10]?.deliver(letter(n), false, Date.now())));
  const found = await Promise.all(mailboxes.map((_, n) => quickDisk.list(path.join(place, `box${n}/new`))));
  assert.equal(found.flat().length, 300);
  await Promise.all(mailboxes.map((each) => each.close()));
});
