import assert from "node:assert/strict";
import path from "node:path";
import test from "node:test";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { realDisk, replaceSynced } from "#sys/disk.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { addFiles, temporaryDirectory } from "#test/support/temporary.ts";
import { EXCEPTIONS, openExceptions } from "./file.ts";

test("an exception counts from the next look on; a file that cannot be read leaves what was read", async (context) => {
  const directory = temporaryDirectory(context);
  const troubles: string[] = [];
  const trouble = (text: string) => void troubles.push(text);
  const exceptions = openExceptions({ clock: systemClock, disk: quickDisk, directory, trouble });
  const find = async (address: string) => (await exceptions.find("client", address))?.verdict;
  const file = path.join(directory, EXCEPTIONS);
  const write = (text: string) => replaceSynced(realDisk, file, Buffer.from(text));
  assert.equal(await find("192.0.2.1"), undefined);
  // within one tick of the file system's clock, too
  for (let turn = 0; turn < 20; turn++) {
    await write("deny 192.0.2.1\n");
    assert.equal(await find("192.0.2.1"), "deny");
    await write("deny 192.0.2.2\n");
    assert.equal(await find("192.0.2.1"), undefined);
  }
  await write("deny 192.0.2.3\nnonsense\nallow 192.0.2.4\n");
  for (const _ of [1, 2]) assert.equal(await find("192.0.2.4"), "allow");
  assert.equal(troubles.length, 1);
  assert.match(troubles[0] ?? "", /^exceptions: line 2: Cannot read "nonsense"/);
  await write("x".repeat(limits.policy.exceptions + 1));
  for (const _ of [1, 2]) assert.equal(await find("192.0.2.4"), "allow");
  assert.equal(troubles.length, 2);
  await quickDisk.remove(file);
  assert.equal(await find("192.0.2.4"), undefined);
  addFiles(file, "x");
  assert.equal(await find("192.0.2.4"), undefined);
  assert.match(troubles.at(-1) ?? "", /it is not a file/);
});
