import assert from "node:assert/strict";
import test from "node:test";
import type { Disk } from "#sys/disk.ts";
import { BrokenDisk } from "#test/support/brokendisk.ts";
import { ended, head, SEGMENT, testSpool } from "#test/support/spool.ts";
import { lookAtSpool } from "./look.ts";

const body = Buffer.from("body");

/** A disk that lets itself be read only; what `before` does comes before each opening. */
function readOnly(disk: BrokenDisk, before: () => Promise<void> | void = () => {}): Disk {
  const allowed = new Set(["list", "stat", "openRead"]);
  return new Proxy(disk as Disk, {
    get(target, name) {
      const verb = Reflect.get(target, name) as unknown;
      if (typeof verb !== "function") return verb;
      return (...args: unknown[]) => {
        assert.ok(allowed.has(String(name)), `${String(name)} changes something`);
        const read = () => Reflect.apply(verb, target, args) as unknown;
        return name === "openRead" ? Promise.resolve(before()).then(read) : read();
      };
    },
  });
}

const look = (disk: Disk) => lookAtSpool({ disk, directory: "spool" });

test("a look shows what lives, how far it is and what is held, and writes nothing", async () => {
  const disk = new BrokenDisk();
  const { journal } = await testSpool(disk);
  await journal.add(head("1-2", { arrived: 2000 }), [body]);
  await journal.add(head("1-1", { arrived: 1000 }), [body]);
  await journal.add(head("1-3"), [body]);
  await ended(journal, "1-3");
  const row = { index: 0, state: "waiting", attempts: 3, next: 9000, code: "4.2.0", text: "busy" } as const;
  await new Promise<void>((resolve) =>
    journal.progress({ id: "1-2", warned: true, held: true, recipients: [row] }, "now", resolve),
  );
  await journal.close();
  const before = disk.operations;
  const { messages, damaged } = await look(readOnly(disk));
  assert.deepEqual(
    messages.map((each) => [each.head.id, each.held, each.warned, each.progress.get(0)?.attempts]),
    [
      ["1-1", false, false, undefined],
      ["1-2", true, true, 3],
    ],
  );
  assert.equal(damaged, 0);
  assert.equal(disk.operations, before);
});

test("a spool that is not there holds nothing", async () => {
  assert.deepEqual(await look(readOnly(new BrokenDisk())), { messages: [], damaged: 0 });
});

test("damage is counted, not set aside; the rest is shown", async () => {
  const disk = new BrokenDisk();
  const { journal } = await testSpool(disk);
  const kept = await journal.add(head("1-1"), [body]);
  await journal.add(head("1-2"), [body]);
  await journal.close();
  assert.equal(kept.place.kind, "inline");
  const file = await disk.open("spool/journal/0000000000.seg");
  await file.write([Buffer.from("garbage")], kept.place.kind === "inline" ? kept.place.offset + 30 : 0);
  const { messages, damaged } = await look(readOnly(disk));
  assert.deepEqual([messages.map((each) => each.head.id), damaged], [["1-2"], 1]);
});

test("a queue that starts while we look is noticed: we look again", async () => {
  const disk = new BrokenDisk();
  const { journal } = await testSpool(disk);
  await journal.add(head("1-1"), [body]);
  await journal.close();
  let reads = 0;
  let second: Awaited<ReturnType<typeof testSpool>> | undefined;
  const starting = readOnly(disk, async () => {
    if (++reads !== 2) return;
    second = await testSpool(disk);
    await second.journal.add(head("1-9", { arrived: 3000 }), [body]);
  });
  const seen = await look(starting);
  assert.ok(second, "the queue did not start in time");
  assert.ok(reads > 3, `${reads} reads`);
  assert.deepEqual(
    seen.messages.map((each) => each.head.id),
    ["1-1", "1-9"],
  );
  await second.journal.close();
});

test("a spool that never stands still is somebody's at work", async () => {
  const disk = new BrokenDisk();
  const { journal } = await testSpool(disk);
  await journal.add(head("1-1"), [body]);
  await journal.close();
  let turn = 100;
  const busy = readOnly(disk, () => {
    return disk.create(`spool/journal/${String(++turn).padStart(10, "0")}.seg`, 0o640).then(async (file) => {
      const from = await disk.open("spool/journal/0000000000.seg");
      const bytes = Buffer.alloc(Math.min(SEGMENT, 16_384));
      await from.read(bytes, 0, bytes.length, 0);
      await file.write([bytes], 0);
    });
  });
  await assert.rejects(look(busy), { code: "changed" });
});
