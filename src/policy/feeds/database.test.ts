import assert from "node:assert/strict";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { type Disk, realDisk, replaceSynced } from "#sys/disk.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { addFiles, temporaryDirectory } from "#test/support/temporary.ts";
import type { DatabaseName, Databases } from "../databases.ts";
import { openDatabases } from "./database.ts";

interface Place {
  readonly databases: Databases;
  readonly directory: string;
  readonly stats: string[];
  readonly troubles: string[];
  /** From now on the clock says what it says this much later. */
  wait(ms: number): void;
}

function place(context: TestContext): Place {
  const directory = temporaryDirectory(context);
  const stats: string[] = [];
  const troubles: string[] = [];
  let later = 0;
  const disk: Disk = {
    ...quickDisk,
    stat: (at) => {
      stats.push(path.relative(directory, at));
      return quickDisk.stat(at);
    },
  };
  const clock = { ...systemClock, now: () => Date.now() + later };
  const databases = openDatabases({ clock, disk, directory, trouble: (text) => void troubles.push(text) });
  const wait = (ms: number) => {
    later += ms;
  };
  return { databases, directory, stats, troubles, wait };
}

test("an entry counts from the next look on, and no longer once its file is gone", async (context) => {
  const { databases, directory, wait } = place(context);
  const bad = path.join(directory, "badhelodir");
  const find = () => databases.find("badhelo", ["mx.bad.test", ".bad.test", ".test"]);
  assert.equal(await find(), undefined);
  addFiles(bad);
  assert.equal(await find(), undefined);
  // within one tick of the file system's clock, too
  for (let turn = 0; turn < 20; turn++) {
    addFiles(bad, ".bad.test");
    assert.equal(await find(), ".bad.test");
    await quickDisk.remove(path.join(bad, ".bad.test"));
    assert.equal(await find(), undefined);
  }
  wait(limits.rules.settle);
  assert.equal(await find(), undefined);
  addFiles(bad, "mx.bad.test");
  assert.equal(await find(), "mx.bad.test");
  await quickDisk.removeTree(bad);
  assert.equal(await find(), undefined);
});

test("a directory inside is no entry, and has entries of its own", async (context) => {
  const { databases, directory } = place(context);
  addFiles(path.join(directory, "badhelodir/unknown"), "x.test");
  const rows: readonly [DatabaseName, string, string | undefined][] = [
    ["badhelo", "unknown", undefined],
    ["badhelo", "x.test", undefined],
    ["badhelo/unknown", "x.test", "x.test"],
    ["badmailfrom", "x.test", undefined],
  ];
  for (const [name, key, found] of rows) assert.equal(await databases.find(name, [key]), found, name);
});

test("one look at a directory that has settled answers for every key", async (context) => {
  const { databases, directory, stats, wait } = place(context);
  addFiles(path.join(directory, "badmailfromdir"), "@bad.test");
  wait(limits.rules.settle + 1000);
  const keys = ["a@good.test", "@good.test", ".test"];
  await databases.find("badmailfrom", keys);
  stats.length = 0;
  assert.equal(await databases.find("badmailfrom", keys), undefined);
  assert.deepEqual(stats.sort(), ["badmailfrom", "badmailfromdir"]);
  assert.equal(await databases.find("badmailfrom", ["x@bad.test", "@bad.test"]), "@bad.test");
});

test("a directory of many thousand names is not kept in memory", async (context) => {
  const { databases, directory, stats } = place(context);
  const names = Array.from({ length: 12_000 }, (_, at) => `some-rather-long-name-${at}.test`);
  addFiles(path.join(directory, "badhelodir"), ...names);
  assert.ok(((await quickDisk.stat(path.join(directory, "badhelodir")))?.size ?? 0) > limits.rules.directory);
  assert.equal(await databases.find("badhelo", ["x.test", names[9000] ?? ""]), names[9000]);
  assert.ok(stats.includes("badhelodir/x.test"));
});

test("lines of a file count as entries; one that cannot be read lists nobody and is told once", async (context) => {
  const { databases, directory, troubles } = place(context);
  const lines = await quickDisk.create(path.join(directory, "badrcptto"), 0o600);
  await lines.write([Buffer.from("trap@a.test\n")], 0);
  await lines.close();
  assert.equal(await databases.find("badrcptto", ["trap@a.test"]), "trap@a.test");
  addFiles(directory, "badmailfromdir");
  for (const _ of [1, 2]) assert.equal(await databases.find("badmailfrom", ["x@a.test"]), undefined);
  assert.equal(troubles.length, 1);
});

test("a file of lines that is too long, or none, leaves the lines that were read; told once", async (context) => {
  const { databases, directory, troubles } = place(context);
  const file = path.join(directory, "badmailfrom");
  const write = (text: string) => replaceSynced(realDisk, file, Buffer.from(text));
  await write("@bad.test\n");
  const find = () => databases.find("badmailfrom", ["@bad.test"]);
  assert.equal(await find(), "@bad.test");
  const huge = await realDisk.open(file);
  await huge.truncate(limits.rules.text + 1);
  await huge.close();
  for (const _ of [1, 2]) assert.equal(await find(), "@bad.test");
  assert.equal(troubles.length, 1);
  assert.match(troubles[0] ?? "", /longer than/);
  await realDisk.remove(file);
  addFiles(file, "x");
  for (const _ of [1, 2]) assert.equal(await find(), "@bad.test");
  assert.match(troubles[1] ?? "", /is not a file/);
  await realDisk.removeTree(file);
  await write("/etc/passwd\n../x\na\0b\n@more.test\n");
  assert.equal(await databases.find("badmailfrom", ["@more.test"]), "@more.test");
  for (const key of ["../x", "a\0b", "/etc/passwd", "..", ""])
    assert.equal(await databases.find("badmailfrom", [key]), undefined, key);
});
