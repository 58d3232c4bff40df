import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { readSome, realDisk } from "./disk.ts";
import { tryLock } from "./lock.ts";

function directory(context: TestContext): string {
  const made = mkdtempSync(path.join(tmpdir(), "kenro-disk-"));
  context.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test("a file holds what was written, however many chunks there are", async (context) => {
  const at = path.join(directory(context), "f");
  const file = await realDisk.create(at, 0o600);
  // more than one writev(2) takes
  const chunks = Array.from({ length: 2500 }, (_, n) => Buffer.from(`${n},`));
  await file.write(chunks, 5);
  await file.write([Buffer.from("start")], 0);
  await file.sync();
  await file.syncData();
  const all = `start${chunks.join("")}`;
  assert.equal(await file.size(), all.length);
  const into = Buffer.alloc(10);
  assert.equal(await file.read(into, 0, 10, all.length - 4), 4);
  await file.close();
  assert.equal(readFileSync(at, "utf8"), all);
});

test("of a stretch beyond the end of a file there is what there is", async (context) => {
  const file = await realDisk.create(path.join(directory(context), "f"), 0o600);
  await file.write([Buffer.from("0123456789")], 0);
  assert.equal(String(await readSome(file, 4, 3)), "3456");
  assert.equal(String(await readSome(file, 100, 7)), "789");
  assert.equal((await readSome(file, 100, 10)).length, 0);
  await file.close();
});

test("small and large writes come whole, and what fails is Trouble", async (context) => {
  const at = path.join(directory(context), "f");
  const file = await realDisk.create(at, 0o600);
  let position = 0;
  // on both sides of what is written on this thread
  for (const size of [0, 1, 32 * 1024 - 1, 32 * 1024, 300_000]) {
    await file.write([Buffer.alloc(size, "a"), Buffer.from("b")], position);
    position += size + 1;
  }
  assert.equal(
    readFileSync(at, "latin1").replaceAll(/a+/g, (run) => `${run.length}`),
    "b1b32767b32768b300000b",
  );
  await file.close();
  for (const size of [1, 300_000])
    await assert.rejects(file.write([Buffer.alloc(size)], 0), { name: "Trouble", code: "EBADF" });
});

test("verbs say what is missing and what is there already", async (context) => {
  const at = directory(context);
  const file = path.join(at, "f");
  assert.equal(await realDisk.openRead(file), undefined);
  assert.equal(await realDisk.stat(file), undefined);
  assert.equal(await realDisk.remove(file), false);
  assert.deepEqual(await realDisk.list(path.join(at, "none")), []);
  await (await realDisk.create(file, 0o600)).close();
  await assert.rejects(realDisk.create(file, 0o600), { name: "Trouble", code: "EEXIST" });
  await realDisk.link(file, path.join(at, "g"));
  await assert.rejects(realDisk.link(file, path.join(at, "g")), { code: "EEXIST" });
  const [one, other] = await Promise.all([file, path.join(at, "g")].map((name) => realDisk.stat(name)));
  assert.ok(one?.regular && one.changedMs > 0 && one.inode > 0);
  assert.deepEqual(other, one, "two names of one file");
  await realDisk.rename(file, path.join(at, "h"));
  assert.deepEqual([...(await realDisk.list(at))].sort(), ["g", "h"]);
  assert.equal(await realDisk.remove(path.join(at, "g")), true);
  await realDisk.makeDirectory(path.join(at, "x/y/z"), 0o700);
  await realDisk.makeDirectory(path.join(at, "x/y/z"), 0o700);
  assert.equal((await realDisk.stat(path.join(at, "x/y/z")))?.directory, true);
  assert.ok((await realDisk.free(at)) > 0);
  await realDisk.syncDirectory(at);
});

test("a lock has one owner and is free after release", (context) => {
  const at = path.join(directory(context), "lock");
  const first = tryLock(at);
  assert.ok(first);
  assert.equal(tryLock(at), undefined);
  first.release();
  const second = tryLock(at);
  assert.ok(second);
  second.release();
  assert.throws(() => tryLock("/nonexistent/lock"), { name: "Trouble" });
});
