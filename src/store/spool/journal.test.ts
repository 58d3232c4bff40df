import assert from "node:assert/strict";
import test from "node:test";
import { BrokenDisk } from "#test/support/brokendisk.ts";
import { settle } from "#test/support/clock.ts";
import { ended, head, SEGMENT, testSpool } from "#test/support/spool.ts";
import { BLOCK, formatHeader, segmentName } from "./record.ts";
import { openBody, readRecord } from "./source.ts";

const body = (text = "body") => [Buffer.from(text)];

const syncs = (disk: BrokenDisk) => disk.counts.get("syncData") ?? 0;

test("messages of one turn are one write and one sync, and none is answered before the sync", async () => {
  const disk = new BrokenDisk();
  const { journal } = await testSpool(disk);
  await journal.add(head("1-0"), body());
  const before = { syncs: syncs(disk), writes: disk.counts.get("write") ?? 0 };
  let release = () => {};
  disk.onSync = () => new Promise((resolve) => (release = resolve));
  let answered = 0;
  const adding = Array.from({ length: 40 }, (_, n) =>
    journal.add(head(`1-${n + 1}`), body()).then(() => answered++),
  );
  await settle();
  assert.equal(answered, 0, "answered before the sync");
  // what comes during the sync is the next batch
  const late = Array.from({ length: 10 }, (_, n) => journal.add(head(`2-${n}`), body()));
  await settle();
  release();
  await Promise.all(adding);
  assert.equal(answered, 40);
  await settle();
  release();
  await Promise.all(late);
  assert.equal(syncs(disk) - before.syncs, 2);
  assert.equal((disk.counts.get("write") ?? 0) - before.writes, 2);
});

test("progress and ends go with the next batch, or alone after a moment", async () => {
  const disk = new BrokenDisk();
  const { journal, clock } = await testSpool(disk);
  await journal.add(head("1-1"), body());
  const before = syncs(disk);
  let done = 0;
  journal.end("1-1", "soon", () => done++);
  await settle();
  assert.deepEqual([syncs(disk) - before, done], [0, 0]);
  await journal.add(head("1-2"), body());
  assert.deepEqual([syncs(disk) - before, done], [1, 1]);
  journal.end("1-2", "soon", () => done++);
  await clock.advance(49);
  assert.equal(done, 1);
  await clock.advance(1);
  assert.deepEqual([syncs(disk) - before, done], [2, 2]);
  journal.end("1-2", "now", () => done++);
  await settle();
  assert.equal(done, 3);
});

test("a body can be read at its place until its segment has another life, and never afterwards", async () => {
  const disk = new BrokenDisk();
  const { journal } = await testSpool(disk);
  const text = "x".repeat(20_000);
  const first = await journal.add(head("1-0", { size: text.length }), body(text));
  const source = await openBody(disk, "spool", first.place);
  assert.equal(source.whole?.toString(), text);
  assert.equal(source.size, 20_000);
  await ended(journal, "1-0");
  journal.release(first);
  assert.equal((await openBody(disk, "spool", first.place)).whole?.toString(), text);
  for (let n = 1; n < 30; n++) {
    const kept = await journal.add(head(`1-${n}`, { size: text.length }), body("y".repeat(20_000)));
    await ended(journal, `1-${n}`);
    journal.release(kept);
  }
  await assert.rejects(openBody(disk, "spool", first.place), { name: "Trouble", code: "changed" });
  assert.ok(first.place.kind === "inline");
  await assert.rejects(readRecord(disk, "spool", { ...first.place, segment: 999 }), { code: "ENOENT" });
  assert.ok(journal.segments <= 6, `${journal.segments} segments`);
});

test("after a restart everything without an end is there, with its progress", async () => {
  const disk = new BrokenDisk();
  const { journal } = await testSpool(disk);
  await journal.add(head("1-1"), body("one"));
  await journal.add(head("1-2"), body("two"));
  await journal.add(head("1-3", { size: 5 }), body("three"));
  const row = { index: 0, state: "waiting", attempts: 2, next: 5000, code: "4.4.1", text: "away" } as const;
  journal.progress({ id: "1-3", warned: true, recipients: [row] }, "now");
  await ended(journal, "1-1");
  await journal.insist(head("1-4", { ends: "1-2" }), body("bounce"), "now");
  await journal.close();
  const again = await testSpool(disk.crash(1, 0));
  const { messages } = again.recovered;
  assert.deepEqual([...messages.keys()], ["1-3", "1-4"]);
  assert.deepEqual(messages.get("1-3")?.progress.get(0), row);
  assert.equal(messages.get("1-3")?.warned, true);
  assert.deepEqual(messages.get("1-3")?.head, head("1-3", { size: 5 }));
  assert.deepEqual(again.events, []);
});

test("prefixes never repeat, even when the clock goes back and all mail is gone", async () => {
  let disk = new BrokenDisk();
  let last = 0;
  for (let start = 0; start < 4; start++) {
    const { journal, prefix, clock } = await testSpool(disk);
    clock.jump(start % 2 === 0 ? 9_000_000 : 5_000);
    for (let n = 0; n < 3; n++) {
      const given = Number.parseInt(prefix(), 36);
      assert.ok(given > last, `${given} after ${last}`);
      last = given;
    }
    const kept = await journal.add(head(`${last.toString(36)}-1`), body());
    await ended(journal, `${last.toString(36)}-1`);
    journal.release(kept);
    await journal.close();
    disk = disk.crash(start, 0);
  }
});

test("a record that is damaged costs that message only, and is set aside once", async () => {
  const disk = new BrokenDisk();
  const { journal } = await testSpool(disk);
  const kept = await Promise.all(["1-1", "1-2", "1-3"].map((id) => journal.add(head(id), body(id))));
  await journal.add(head("1-4"), body());
  await journal.close();
  const place = kept[1]?.place;
  assert.ok(place?.kind === "inline");
  disk.spoil("spool/journal/0000000000.seg", (content) => {
    content[place.offset + place.length - 1] = 0;
  });
  for (const events of [[`damage damaged/0-1-${place.offset}.part`], []]) {
    const again = await testSpool(disk);
    assert.deepEqual([...again.recovered.messages.keys()], ["1-1", "1-3", "1-4"]);
    assert.deepEqual(again.events, events);
    await again.journal.close();
  }
  const damaged = await disk.openRead(`spool/damaged/0-1-${place.offset}.part`);
  assert.equal(await damaged?.size(), place.length);
});

test("what a sender writes into a message is never taken for a record", async () => {
  const disk = new BrokenDisk();
  const { journal } = await testSpool(disk);
  // the bytes of a real record, as a thief who has read the spool of yesterday might send them
  await journal.add(head("1-1"), body());
  const old = Buffer.alloc(4096);
  await (await disk.openRead("spool/journal/0000000000.seg"))?.read(old, 0, 4096, 8192);
  await journal.close();
  const second = await testSpool(disk);
  const kept = await second.journal.add(head("2-1"), [old]);
  await second.journal.add(head("2-2"), body());
  await second.journal.close();
  // damage in front of it makes reading start in its middle
  assert.ok(kept.place.kind === "inline");
  const { segment, offset } = kept.place;
  disk.spoil(`spool/journal/${String(segment).padStart(10, "0")}.seg`, (content) =>
    content.fill(0, offset, offset + 8),
  );
  const again = await testSpool(disk);
  assert.deepEqual([...again.recovered.messages.keys()], ["1-1", "2-2"]);
});

test("a sync that fails refuses its messages, leaves the segment for good, and loses no progress", async () => {
  const disk = new BrokenDisk();
  const { journal, clock, events } = await testSpool(disk);
  const kept = await journal.add(head("1-1"), body());
  await journal.add(head("1-2"), body());
  disk.fault = { at: 1, kind: "EIO", only: "syncData" };
  let done = false;
  journal.end("1-1", "soon", () => (done = true));
  await assert.rejects(journal.add(head("1-3"), body()), { code: "EIO" });
  assert.ok(kept.place.kind === "inline");
  const next = await journal.add(head("1-4"), body());
  assert.notEqual(next.segment, kept.segment);
  await clock.advance(100);
  assert.equal(done, true);
  assert.deepEqual(events, [`syncFailed ${kept.segment}`, "forgotten 1-3"]);
  await journal.close();
  for (const chance of [0, 0.5, 1]) {
    const again = await testSpool(disk.crash(7, chance));
    assert.deepEqual([...again.recovered.messages.keys()], ["1-2", "1-4"]);
  }
});

test("a full disk refuses mail, keeps what must not be lost, and goes on when there is room", async () => {
  const disk = new BrokenDisk();
  const { journal, clock, events } = await testSpool(disk);
  await journal.add(head("1-1"), body());
  disk.fault = { at: 1, kind: "ENOSPC", times: 10_000 };
  let done = false;
  journal.end("1-1", "now", () => (done = true));
  await assert.rejects(journal.add(head("1-2"), body()), { code: "ENOSPC" });
  await settle();
  await assert.rejects(journal.add(head("1-3"), body()), { code: "ENOSPC" });
  assert.equal(done, false);
  assert.ok(events.includes("forgotten 1-3"));
  await clock.advance(5000);
  disk.fault = undefined;
  await clock.advance(1000);
  assert.equal(done, true);
  await journal.add(head("1-5"), body());
  await journal.close();
  const again = await testSpool(disk.crash(3, 1));
  assert.deepEqual([...again.recovered.messages.keys()], ["1-5"]);
});

test("a record longer than a segment is refused", async () => {
  const { journal } = await testSpool(new BrokenDisk());
  await assert.rejects(journal.add(head("1-1"), [Buffer.alloc(SEGMENT)]), { code: "EFBIG" });
  await journal.add(head("1-2"), [Buffer.alloc(SEGMENT - 10_000)]);
});

test("an interrupted making of a segment leaves nothing, and a headless one with records is evidence", async () => {
  const disk = new BrokenDisk();
  const first = await testSpool(disk);
  await first.journal.add(head("1-1"), body());
  await first.journal.close();
  await (await disk.create("spool/journal/0000000007.seg", 0o640)).write([Buffer.alloc(SEGMENT)], 0);
  disk.spoil("spool/journal/0000000000.seg", (content) => content.fill(0, 0, 8192));
  const again = await testSpool(disk);
  assert.deepEqual(again.events, ["damage damaged/0000000000.seg"]);
  assert.equal(again.recovered.messages.size, 0);
  const kept = await again.journal.add(head("1-2"), body());
  assert.equal(kept.segment, 8);
  assert.deepEqual([...(await disk.list("spool/journal"))], ["0000000008.seg"]);
});

test("bodies without a message are removed at start", async () => {
  const disk = new BrokenDisk();
  const { journal } = await testSpool(disk);
  for (const id of ["1-1", "1-2"]) await (await disk.create(`spool/body/${id}`, 0o640)).sync();
  await disk.syncDirectory("spool/body");
  await journal.add(head("1-1", { file: true }), []);
  await journal.close();
  const left = disk.crash(1, 0);
  await testSpool(left);
  assert.deepEqual(await left.list("spool/body"), ["1-1"]);
});

test("a copy of a header that tells of an earlier life is replaced at start, and what was read is synced", async () => {
  const disk = new BrokenDisk();
  const first = await testSpool(disk);
  await first.journal.add(head("1-1"), [Buffer.from("body")]);
  await first.journal.close();
  const name = `spool/journal/${segmentName(0)}`;
  const header = formatHeader({ generation: 0, floor: 0, nonce: Buffer.alloc(8, 7) });
  disk.spoil(name, (content) => header.copy(content, BLOCK, 0, BLOCK));
  const left = disk.killed(1);
  const again = await testSpool(left);
  assert.deepEqual([...again.recovered.messages.keys()], ["1-1"]);
  await again.journal.close();
  // now the other copy goes bad: this one must tell of the same life
  left.spoil(name, (content) => content.fill(0, 0, BLOCK));
  const last = await testSpool(left.crash(1, 0));
  assert.deepEqual([...last.recovered.messages.keys()], ["1-1"]);
  await last.journal.close();
});
