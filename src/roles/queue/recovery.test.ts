import assert from "node:assert/strict";
import test from "node:test";
import { openSpool } from "#store/spool/spool.ts";
import { BrokenDisk } from "#test/support/brokendisk.ts";
import { FakeClock } from "#test/support/clock.ts";
import { QueueWorld } from "#test/support/queueworld.ts";
import { head } from "#test/support/spool.ts";

const COUNT = 10_000;

/** Ten times what it takes; only a step that costs more with each message goes beyond. */
const MOST_MS = 5000;

test("a queue of ten thousand messages is ready soon, with all of them where they were and the oldest first", async (context) => {
  const disk = new BrokenDisk();
  const clock = new FakeClock();
  const world = new QueueWorld(context, disk, clock);
  const ignore = () => {};
  const { journal } = await openSpool({
    disk,
    directory: world.spool,
    clock,
    segmentSize: 512 * 1024,
    events: { damage: ignore, syncFailed: ignore, trouble: ignore, forgotten: ignore, crowded: ignore },
  });
  const next = clock.now() + 3_600_000;
  const numbers = Array.from({ length: COUNT }, (_, n) => n);
  const text = "Connection timed out.";
  await Promise.all(
    numbers.map(async (n) => {
      // every second one is younger than the one behind it
      await journal.add(head(`1-${n}`, { arrived: n ^ 1 }), [Buffer.from("body")]);
      const row = { index: 0, state: "waiting", attempts: 1 + (n % 3), next: next + n, code: "4.4.1", text };
      if (n % 10 !== 0) journal.progress({ id: `1-${n}`, warned: false, recipients: [row as never] }, "now");
    }),
  );
  await journal.close();
  const begun = performance.now();
  const queue = await world.open();
  const took = performance.now() - begun;
  const entries = [...queue.entries.all()];
  assert.equal(entries.length, COUNT);
  assert.deepEqual(
    entries.map(({ arrived }) => arrived),
    numbers,
  );
  for (const { id, recipients, tasks } of entries) {
    const n = Number(id.slice(2));
    const [recipient] = recipients;
    const untried = n % 10 === 0;
    assert.deepEqual(
      [recipient?.attempts, recipient?.text, tasks[0]?.waiting, tasks[0]?.again],
      [untried ? 0 : 1 + (n % 3), untried ? "" : text, [0], true],
    );
    if (!untried) assert.equal(tasks[0]?.due, next + n);
  }
  assert.ok(took < MOST_MS, `it took ${took} ms`);
  await queue.stop(0);
});
