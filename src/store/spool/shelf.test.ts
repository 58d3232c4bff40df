import assert from "node:assert/strict";
import test from "node:test";
import { head } from "#test/support/spool.ts";
import { filePlace } from "./place.ts";
import { NEVER, Shelf } from "./shelf.ts";
import type { Head, Kept, Progress, Stored } from "./state.ts";

const inline = (size: number): Kept => ({
  place: { kind: "inline", segment: 7, generation: 9, offset: 8192, length: 100 + size, body: 100, size },
  segment: 7,
  length: 100 + size,
});

const row = (index: number, more: Partial<Progress> = {}): Progress => ({
  index,
  state: "waiting",
  attempts: 1,
  next: 5000 + index,
  code: "4.4.1",
  text: "no answer\u2026",
  ...more,
});

function put(shelf: Shelf, id: string, more: Partial<Head> = {}, rows: readonly Progress[] = []): Stored {
  const full = head(id, more);
  const kept = full.file ? { place: filePlace(full), segment: 3, length: 80 } : inline(full.size);
  shelf.put(shelf.reserve(id), { head: full, kept, warned: false, held: false }, rows);
  return {
    head: full,
    kept,
    warned: false,
    held: false,
    progress: new Map(rows.map((each) => [each.index, each])),
  };
}

const recipients = [
  { address: '"a b"@y.test', notify: ["success", "delay"], original: "rfc822;x@y" },
  { address: "b\u00fc\u{1f600}@y.test", notify: [] },
  { address: "c@z.test", original: "" },
] as const;

test("a packed message comes out as it went in, whatever it holds", () => {
  const shelf = new Shelf();
  const { envelope } = head("x");
  const wishes = { ret: "headers", envid: "1", holdUntil: 90_000, priority: -3, utf8: true } as const;
  const all = [
    put(shelf, "1-1"),
    put(shelf, "1-2", { size: 0, envelope: { ...envelope, sender: "" } }),
    put(shelf, "1-3", { envelope: { ...envelope, ...wishes, recipients } }, [
      row(0),
      row(2, { state: "relayed" }),
    ]),
    put(shelf, "1-4", { file: true, size: 999_999 }),
    put(shelf, "1-5", { file: true, size: 999_999, front: "Received: \u00e4\r\n" }, [row(0)]),
  ];
  for (const stored of all) assert.deepEqual(shelf.get(stored.head.id), stored);
  assert.deepEqual([...shelf.values()], all);
  assert.equal(shelf.segmentOf(shelf.slotOf("1-4") ?? -1), 3);
  assert.equal(shelf.lengthOf(shelf.slotOf("1-1") ?? -1), 104);
});

test("progress joins what is known; a move keeps it", () => {
  const shelf = new Shelf();
  put(shelf, "1-1", { envelope: { ...head("x").envelope, recipients } });
  const slot = shelf.slotOf("1-1") ?? -1;
  shelf.note(slot, [row(1)]);
  shelf.note(slot, [row(2), row(1, { attempts: 2 })]);
  shelf.warn(slot);
  shelf.hold(slot, true);
  const before = shelf.read(slot);
  assert.ok(before);
  assert.deepEqual([...before.progress.values()], [row(1, { attempts: 2 }), row(2)]);
  const kept = { ...inline(4), segment: 8, place: { ...inline(4).place, segment: 8, offset: 4096 } } as Kept;
  shelf.move(slot, before.head, kept);
  assert.deepEqual(shelf.read(slot), { ...before, kept, warned: true, held: true });
  shelf.hold(slot, false);
  assert.deepEqual(
    [shelf.isHeld(slot), shelf.read(slot)?.held, shelf.read(slot)?.warned],
    [false, false, true],
  );
});

test("it is due when the first that waits is", () => {
  const shelf = new Shelf();
  const { envelope } = head("x");
  const due = (id: string) => shelf.dueOf(shelf.slotOf(id) ?? -1);
  put(shelf, "born");
  put(shelf, "later", { envelope: { ...envelope, holdUntil: 77_000 } });
  put(shelf, "tried", {}, [row(0, { next: 6000 })]);
  put(shelf, "over", {}, [row(0, { state: "failed" })]);
  put(shelf, "many", { envelope: { ...envelope, recipients } }, [
    row(0, { state: "relayed" }),
    row(1),
    row(2),
  ]);
  put(shelf, "noted");
  shelf.note(shelf.slotOf("noted") ?? -1, [row(0, { next: 8000 })]);
  put(shelf, "done");
  shelf.note(shelf.slotOf("done") ?? -1, [row(0, { state: "delivered" })]);
  const ids = ["born", "later", "tried", "over", "many", "noted", "done"];
  assert.deepEqual(ids.map(due), [1000, 77_000, 6000, NEVER, 5001, 8000, NEVER]);
});

test("slots are used again, sorting is by arrival, and what is taken is packed no more", () => {
  const shelf = new Shelf();
  for (let n = 0; n < 3000; n++) put(shelf, `1-${n}`, { arrived: n ^ 1 });
  for (let n = 0; n < 3000; n += 3) assert.ok(shelf.remove(`1-${n}`));
  assert.equal(shelf.remove("1-0"), false);
  assert.equal(shelf.size, 2000);
  const slot = shelf.slotOf("1-1") ?? -1;
  put(shelf, "2-1", { arrived: 1_000_000 });
  assert.ok((shelf.slotOf("2-1") ?? 3000) < 3000);
  shelf.sort();
  const arrived = [...shelf.values()].map((each) => each.head.arrived);
  assert.deepEqual(
    arrived,
    [...arrived].sort((a, b) => a - b),
  );
  assert.equal(shelf.take(slot)?.head.id, "1-1");
  assert.deepEqual([shelf.read(slot), shelf.isPacked(slot), shelf.slotOf("1-1")], [undefined, false, slot]);
});

test("more texts than the table of shared ones holds are kept all the same", () => {
  const shelf = new Shelf();
  for (let n = 0; n < 12_000; n++) put(shelf, `1-${n}`, {}, [row(0, { text: `busy, ticket ${n}` })]);
  for (const n of [0, 9999, 10_000, 11_999])
    assert.equal(shelf.get(`1-${n}`)?.progress.get(0)?.text, `busy, ticket ${n}`);
});

test("a quick look for words finds every message in whose addresses they stand", () => {
  const shelf = new Shelf();
  put(shelf, "1-1", { envelope: { ...head("x").envelope, sender: "Ann@Far.test", recipients } });
  const slot = shelf.slotOf("1-1") ?? -1;
  for (const words of [
    ["ann@far.test"],
    ["@y.test"],
    ['"a b"@y.test'],
    ["b\u00fc"],
    ["@far.test", "c@z.test"],
  ])
    assert.ok(shelf.mentions(slot, words), words.join());
  for (const words of [["nobody@"], ["@far.test", "nobody@"]]) assert.ok(!shelf.mentions(slot, words));
});
