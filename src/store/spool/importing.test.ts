import assert from "node:assert/strict";
import test from "node:test";
import { BrokenDisk } from "#test/support/brokendisk.ts";
import { ended, head, type TestSpool, testSpool } from "#test/support/spool.ts";
import { type Card, ImportDraft, Importing } from "./importing.ts";

const NOW = Date.UTC(2026, 0, 1);

const row = { index: 0, state: "waiting", attempts: 3, next: 9000, code: "4.4.1", text: "away" } as const;

const card = (id: string, more: Partial<Card> = {}): Card => {
  const { arrived, envelope, size } = head(id);
  return { id, arrived, envelope, size, warned: true, held: true, progress: [row], ...more };
};

const importingOf = (disk: BrokenDisk, { journal, recovered, saw }: TestSpool): Importing =>
  new Importing({
    disk,
    directory: "spool",
    journal,
    isLive: (id) => recovered.messages.slotOf(id) !== undefined,
    saw,
    now: () => NOW,
  });

async function bring(importing: Importing, wanted: Card, body = "body") {
  const begun = await importing.begin(wanted);
  if (!(begun instanceof ImportDraft)) return begun.kind;
  await begun.write(Buffer.from(body));
  return (await begun.finish()).kind;
}

test("N1, N2: an imported message comes with all that was known of it, and once, also when it has left the queue", async () => {
  const disk = new BrokenDisk();
  const spool = await testSpool(disk);
  const importing = importingOf(disk, spool);
  assert.equal(await bring(importing, card("1-1")), "queued");
  assert.equal(await bring(importing, card("1-2")), "queued");
  assert.equal(await bring(importing, card("1-1")), "known");
  await ended(spool.journal, "1-1");
  await spool.journal.close();
  const left = disk.crash(1, 0);
  const next = await testSpool(left);
  const found = next.recovered.messages.get("1-2");
  assert.deepEqual([found?.warned, found?.held, found?.progress.get(0)], [true, true, row]);
  assert.deepEqual(next.recovered.imported, ["1-2"]);
  for (const id of ["1-1", "1-2"]) assert.equal(await bring(importingOf(left, next), card(id)), "known", id);
});

test("N4: what a crash kept from being written down is written down at the next start", async () => {
  const disk = new BrokenDisk();
  const spool = await testSpool(disk);
  const since = { warned: false, recipients: [] };
  await spool.journal.add(head("1-1", { since }), [Buffer.from("body")]);
  await spool.journal.close();
  const left = disk.crash(1, 0);
  const next = await testSpool(left);
  await importingOf(left, next).settle(next.recovered.imported);
  await ended(next.journal, "1-1");
  await next.journal.close();
  const last = left.crash(1, 0);
  const third = await testSpool(last);
  assert.equal(third.recovered.messages.size, 0);
  assert.equal(await bring(importingOf(last, third), card("1-1")), "known");
});

test("Q8: ids given from then on are greater than what was imported; what cannot be is refused", async () => {
  const disk = new BrokenDisk();
  const spool = await testSpool(disk);
  const importing = importingOf(disk, spool);
  const soon = (NOW + 3_600_000).toString(36);
  assert.equal(await bring(importing, card(`${soon}-1`)), "queued");
  assert.ok(Number.parseInt(spool.prefix(), 36) > NOW + 3_600_000);
  for (const id of ["", "a", "../x-1", `${(NOW + 1e9).toString(36)}-1`, "1-1\n"])
    assert.equal(await bring(importing, card(id)), "refused", id);
  assert.equal(await bring(importing, card("1-5"), "another size"), "refused");
  assert.equal(await bring(importing, card("1-5")), "queued");
  const envelope = { ...head("x").envelope, sender: "a\r\nb@x.test" };
  assert.equal(await bring(importing, card("1-6", { envelope })), "refused");
});
