import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { queueList, queueOrder, queueRetry, queueShow, queueStats } from "#talk/queuecontrol.ts";
import { BrokenDisk } from "#test/support/brokendisk.ts";
import { FakeClock, settle } from "#test/support/clock.ts";
import { ask, deferred, delivered, QueueWorld, send } from "#test/support/queueworld.ts";

/** Three messages to four recipients, each tried once in vain. */
async function waiting(context: TestContext) {
  const clock = new FakeClock();
  const world = new QueueWorld(context, new BrokenDisk(), clock);
  await world.serve();
  world.remote = () => deferred("4.2.0", "greylisted");
  const queue = await world.open();
  const injector = await world.injector(queue);
  const ids: string[] = [];
  for (const to of [["a@one.test"], ["b@one.test", "c@two.test"], ["Dora@Three.test"]]) {
    const result = await send(injector, { to, sender: `${to.length}@far.test` });
    if (result.kind === "queued") ids.push(result.id);
  }
  await world.until(() => world.tried.length === 4, "an attempt for each");
  await settle();
  return { clock, world, queue, ids };
}

test("what waits is packed; lists, counts and filters look at it and leave it so", async (context) => {
  const { queue, ids } = await waiting(context);
  assert.deepEqual([queue.entries.size, queue.entries.awake], [3, 0]);
  const { messages } = await ask(queue, queueList, { after: "", most: 10 });
  assert.deepEqual(
    messages.map(({ id }) => id),
    ids,
  );
  assert.deepEqual(
    messages[1]?.recipients.map(({ status, reason, attempts }) => [status, reason, attempts]),
    [
      ["4.2.0", "greylisted", 1],
      ["4.2.0", "greylisted", 1],
    ],
  );
  const found = await ask(queue, queueList, {
    after: "",
    most: 10,
    where: { recipient: "dora@three.TEST" },
  });
  assert.equal(found.messages.length, 1);
  const stats = await ask(queue, queueStats, {});
  assert.deepEqual(stats.states, { held: 0, running: 0, deferred: 3, waiting: 0 });
  const shown = await ask(queue, queueShow, { id: ids[0] ?? "", from: 0, header: true });
  assert.match(shown.message?.header ?? "", /^Subject: x/);
  assert.equal(queue.entries.awake, 0);
  await queue.stop(0);
});

test("a held message stays packed when it is due; released, it goes on, and what it had brought is not forgotten", async (context) => {
  const { clock, world, queue, ids } = await waiting(context);
  await ask(queue, queueOrder, { order: "hold", where: { ids: ids.slice(1, 2) } });
  await clock.advance(3_600_000);
  await settle();
  assert.equal(world.tried.filter((address) => address === "c@two.test").length, 1);
  assert.equal(queue.entries.awake, 0);
  world.remote = () => delivered;
  await ask(queue, queueOrder, { order: "release", where: { ids: ids.slice(1, 2) } });
  await world.until(() => !queue.entries.has(ids[1] ?? ""), "the end of the released one");
  assert.ok(queue.entries.has(ids[0] ?? ""));
  await queue.stop(0);
});

test("packed mail is retried when somebody asks, and removed when told", async (context) => {
  const { world, queue, ids } = await waiting(context);
  await ask(queue, queueOrder, { order: "remove", where: { ids: ids.slice(0, 1) } });
  assert.equal(queue.entries.has(ids[0] ?? ""), false);
  world.remote = () => delivered;
  const answer = await ask(queue, queueRetry, { id: "" });
  assert.equal(answer.count, 3);
  await world.until(() => queue.entries.size === 0, "the end of all");
  assert.equal(world.tried.filter((address) => address === "a@one.test").length, 1);
  await queue.stop(0);
});
