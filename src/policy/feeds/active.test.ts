import assert from "node:assert/strict";
import path from "node:path";
import test from "node:test";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Disk } from "#sys/disk.ts";
import { realDisk, replaceSynced } from "#sys/disk.ts";
import { pointTo } from "#sys/links.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { addFiles, temporaryDirectory } from "#test/support/temporary.ts";
import { isDynamic } from "../names.ts";
import { activeFeeds, patternsOf } from "./active.ts";
import { openDatabases } from "./database.ts";

test("active feeds stand behind the site's own entries, and change with one link", async (context) => {
  const directory = temporaryDirectory(context);
  const stats: string[] = [];
  const disk: Disk = {
    ...quickDisk,
    stat: (at) => {
      stats.push(path.relative(directory, at));
      return quickDisk.stat(at);
    },
  };
  let later = 0;
  const clock = { ...systemClock, now: () => Date.now() + later };
  const feeds = activeFeeds({ disk, clock, directory });
  const trouble = (text: string) => assert.fail(text);
  const databases = openDatabases({ clock, disk, directory, trouble, feeds });
  const patterns = patternsOf({ disk, feeds, trouble });
  const find = (...keys: readonly string[]) => databases.find("badhelo", keys);
  assert.equal(await find("x.test"), undefined);
  const versions = path.join(directory, "feeds/.spamdb");
  addFiles(path.join(versions, "1/badhelodir"), "x.test");
  addFiles(path.join(versions, "2/badhelodir"), "y.test");
  await replaceSynced(realDisk, path.join(versions, "2/patterns"), Buffer.from("word zzline\n"));
  assert.equal(await find("x.test"), undefined, "not active");
  const link = path.join(directory, "feeds/spamdb");
  const name = ["zzline1.isp.test", "192.0.2.1"] as const;
  for (let turn = 0; turn < 5; turn++) {
    await pointTo(link, ".spamdb/1");
    assert.equal(await find("x.test"), "x.test (feed spamdb)");
    assert.equal(isDynamic(...name, await patterns()), undefined);
    await pointTo(link, ".spamdb/2");
    assert.equal(await find("x.test"), undefined);
    assert.equal(await find("y.test"), "y.test (feed spamdb)");
    assert.notEqual(isDynamic(...name, await patterns()), undefined);
  }
  addFiles(path.join(directory, "badhelodir"), "y.test");
  assert.equal(await find("y.test"), "y.test");
  // what has settled costs a look at each directory
  later += 2 * limits.rules.settle;
  await find("z.test");
  stats.length = 0;
  assert.equal(await find("z.test", ".test"), undefined);
  assert.deepEqual(stats, ["badhelo", "badhelodir", "feeds", "feeds/spamdb/badhelodir"]);
  await realDisk.remove(link);
  assert.equal(await find("x.test"), undefined);
});

test("a feed that cannot be read lists nobody, is told once, and hides no other", async (context) => {
  const directory = temporaryDirectory(context);
  const told: string[] = [];
  const disk = quickDisk;
  const feeds = activeFeeds({ disk, clock: systemClock, directory });
  const trouble = (text: string) => void told.push(text);
  const databases = openDatabases({ clock: systemClock, disk, directory, trouble, feeds });
  // a file where its directory should be
  addFiles(path.join(directory, "feeds/a"), "badhelodir");
  addFiles(path.join(directory, "feeds/b/badhelodir"), "x.test");
  await pointTo(path.join(directory, "feeds/c"), ".c/gone");
  for (const _ of [1, 2]) assert.equal(await databases.find("badhelo", ["x.test"]), "x.test (feed b)");
  assert.equal(told.length, 1);
});
