import assert from "node:assert/strict";
import test from "node:test";
import { on } from "#talk/answerer.ts";
import { isLocal } from "#talk/lookup.ts";
import {
  type Count,
  type Order,
  orders,
  type QueuedMessage,
  queueCount,
  queueList,
  queueOrder,
  queueRetry,
  queueShow,
  queueStats,
  type Selection,
  type ShownMessage,
  type Stats,
} from "#talk/queuecontrol.ts";
import { BrokenDisk } from "#test/support/brokendisk.ts";
import { FakeClock } from "#test/support/clock.ts";
import { ask, deferred, delivered, QueueWorld, send } from "#test/support/queueworld.ts";
import type { Queue } from "./queue.ts";

const give = (queue: Queue, order: Order, where: Selection): Promise<Count> =>
  ask(queue, queueOrder, { order, where });
const listed = async (queue: Queue, where: Selection = {}): Promise<readonly QueuedMessage[]> =>
  (await ask(queue, queueList, { after: "", most: 100, where })).messages;
const flying = (queue: Queue) =>
  [...queue.entries.all()].some(({ tasks }) => tasks.some((task) => task.flying));

/** A queue with these messages, each tried once in vain. */
async function tried(context: test.TestContext, letters: Parameters<typeof send>[1][]) {
  const world = new QueueWorld(context, new BrokenDisk());
  await world.serve();
  world.local = world.remote = () => deferred("4.2.0", "450 greylisted");
  const queue = await world.open();
  const injector = await world.injector(queue);
  const ids: string[] = [];
  for (const letter of letters) {
    const result = await send(injector, letter);
    if (result.kind === "queued") ids.push(result.id);
  }
  const wanted = letters.reduce((sum, { to }) => sum + to.length, 0);
  await world.until(() => world.tried.length === wanted && !flying(queue), "an attempt for each");
  return { world, queue, ids, injector };
}

test("a held message is not tried, not by retry, not after a restart; a released one goes", async (context) => {
  const { world, queue, ids } = await tried(context, [{ to: ["a@here.test"] }, { to: ["b@here.test"] }]);
  const [id = ""] = ids;
  assert.deepEqual(await give(queue, "hold", { ids: [id] }), { messages: 1, recipients: 1, running: 0 });
  world.local = () => delivered;
  await ask(queue, queueRetry, { id: "" });
  await world.until(() => queue.entries.size === 1, "the other one");
  assert.deepEqual(
    (await listed(queue)).map((each) => [each.id, each.state, each.recipients[0]?.next]),
    [[id, "held", 0]],
  );
  await queue.stop(1000);
  world.hangUp();
  const again = await world.open();
  await ask(again, queueRetry, { id });
  assert.equal((await listed(again, { state: "held" })).length, 1);
  assert.equal(world.tried.length, 3);
  await give(again, "release", { ids: [id] });
  await ask(again, queueRetry, { id });
  await world.until(() => again.entries.size === 0, "the released one");
  assert.equal(world.tried.at(-1), "a@here.test");
  await again.stop(1000);
});

test("what becomes due while it is held goes when it is released", async (context) => {
  const clock = new FakeClock();
  const world = new QueueWorld(context, new BrokenDisk(), clock);
  await world.serve();
  world.remote = () => deferred("4.2.0", "later");
  const queue = await world.open();
  const injector = await world.injector(queue);
  await send(injector, { to: ["a@far.test"] });
  await world.until(() => world.attempts.length === 1 && !flying(queue), "the first attempt");
  await give(queue, "hold", {});
  await clock.advance(500_000);
  assert.equal(world.attempts.length, 1);
  world.remote = () => delivered;
  await give(queue, "hold", {});
  await give(queue, "release", {});
  await world.until(() => queue.entries.size === 0, "the delivery");
  assert.equal(world.attempts.length, 2);
  const stopping = queue.stop(1000);
  await clock.advance(1000);
  await stopping;
});

test("a hold and a release that cross: the last one stands", async (context) => {
  const { queue, ids } = await tried(context, [{ to: ["a@here.test"] }]);
  await Promise.all([
    give(queue, "hold", { ids }),
    give(queue, "release", { ids }),
    give(queue, "hold", { ids }),
  ]);
  assert.equal((await listed(queue))[0]?.state, "held");
  await queue.stop(1000);
});

test("remove ends messages and tells nobody; an attempt under way ends without a word", async (context) => {
  const { world, queue, injector, ids } = await tried(context, [{ to: ["a@here.test", "b@far.test"] }]);
  let land = () => {};
  world.local = () => new Promise((resolve) => (land = () => resolve(deferred())));
  await send(injector, { to: ["c@here.test"] });
  await world.until(() => world.tried.length === 3, "an attempt that lasts");
  assert.deepEqual(await give(queue, "remove", {}), { messages: 2, recipients: 3, running: 1 });
  assert.equal(queue.entries.size, 0);
  land();
  await world.until(() => world.lines.some((line) => line.includes("removed meanwhile")), "its end");
  await ask(queue, queueRetry, { id: "" });
  await queue.stop(1000);
  world.hangUp();
  const again = await world.open();
  assert.equal(again.entries.size, 0);
  assert.equal(world.tried.length, 3);
  assert.ok(
    world.lines.some((line) => line === `queue_order id=${ids[0]} order=remove`),
    world.lines.join("\n"),
  );
  await again.stop(1000);
});

test("bounce tells the sender what the last attempt said; who is being delivered may still be reached", async (context) => {
  const { world, queue, injector } = await tried(context, [
    { sender: "ann@here.test", to: ["a@far.test", "b@near.test"] },
  ]);
  let land = (_: "reached" | "later") => {};
  world.remote = () =>
    new Promise((resolve) => (land = (what) => resolve(what === "reached" ? delivered : deferred())));
  world.local = () => delivered;
  await send(injector, { sender: "bob@here.test", to: ["c@far.test"] });
  await world.until(() => world.tried.length === 3, "an attempt that lasts");
  assert.deepEqual(await give(queue, "bounce", {}), { messages: 2, recipients: 3, running: 1 });
  await world.until(() => world.tried.includes("ann@here.test"), "the bounce");
  const bounce = world.attempts.find(({ delivery }) => delivery.sender === "")?.body ?? "";
  for (const text of [
    "rfc822; a@far.test",
    "rfc822; b@near.test",
    "Status: 5.0.0",
    "has returned the message",
    "greylisted",
  ])
    assert.ok(bounce.replaceAll(/\r\n\s/g, " ").includes(text), `${text}: ${bounce}`);
  await world.until(() => queue.entries.size === 1, "the end of the bounce");
  land("later");
  await world.until(() => world.tried.includes("bob@here.test"), "the other bounce");
  await world.until(() => queue.entries.size === 0, "the end");
  await queue.stop(1000);
});

test("messages are selected by id, sender, recipient that waits, domain, age and state", async (context) => {
  const { queue, ids } = await tried(context, [
    { sender: "ann@far.test", to: ["a@here.test"] },
    { sender: "Bob@near.test", to: ["b@there.test", "c@here.test"] },
    { sender: "", to: ["d@here.test"] },
  ]);
  const [first = "", second = "", third = ""] = ids;
  await give(queue, "hold", { ids: [third] });
  const now = Date.now();
  const rows: readonly (readonly [Selection, readonly string[]])[] = [
    [{}, ids],
    [{ ids: [second, "gone-1"] }, [second]],
    [{ sender: "ANN@far.test" }, [first]],
    [{ sender: "bob@near.test" }, [second]],
    [{ sender: "@near.test" }, [second]],
    [{ sender: "@test" }, []],
    [{ sender: "" }, [third]],
    [{ recipient: "@here.test" }, ids],
    [{ recipient: "@there.test" }, [second]],
    [{ recipient: "c@HERE.test" }, [second]],
    [{ recipient: "c@there.test" }, []],
    [{ state: "held" }, [third]],
    [{ state: "deferred" }, [first, second]],
    [{ state: "running" }, []],
    [{ before: now + 1000 }, ids],
    [{ before: now - 60_000 }, []],
    [{ state: "deferred", recipient: "@here.test", sender: "@far.test" }, [first]],
  ];
  for (const [where, wanted] of rows) {
    assert.deepEqual(
      (await listed(queue, where)).map(({ id }) => id),
      wanted,
      JSON.stringify(where),
    );
    assert.equal((await ask(queue, queueCount, { where })).messages, wanted.length, JSON.stringify(where));
  }
  await queue.stop(1000);
});

test("show tells everything of one message; stats count all", async (context) => {
  const to = Array.from({ length: 130 }, (_, n) => `u${n}@here.test`);
  const { queue, ids } = await tried(context, [
    { to, body: "Subject: gr\xfc\xdfe\r\nX-Y: z\r\n\r\nbody\r\n", submitted: true },
    { to: ["a@far.test"] },
  ]);
  const [id = ""] = ids;
  const shown = async (from: number, header: boolean): Promise<ShownMessage | undefined> =>
    (await ask(queue, queueShow, { id, from, header })).message;
  const whole = await shown(0, true);
  assert.equal(whole?.header, "Subject: gr\xfc\xdfe\r\nX-Y: z\r\n");
  assert.deepEqual([whole?.count, whole?.recipients.length, whole?.envelope.submitted], [130, 100, true]);
  const rest = await shown(100, false);
  assert.deepEqual(
    [rest?.recipients.length, rest?.recipients[0]?.address, rest?.header],
    [30, "u100@here.test", undefined],
  );
  assert.equal((await ask(queue, queueShow, { id: "gone-1", from: 0, header: true })).message, undefined);
  const stats: Stats = await ask(queue, queueStats, {});
  assert.deepEqual(stats.states, { held: 0, running: 0, deferred: 2, waiting: 0 });
  assert.deepEqual(stats.ages, [2, 0, 0, 0, 0, 0]);
  assert.deepEqual(stats.failures, [{ failure: "greylisted", recipients: 131 }]);
  assert.deepEqual(
    stats.domains.map(({ domain, recipients, deferred: later }) => [domain, recipients, later]),
    [
      ["here.test", 130, 130],
      ["far.test", 1, 1],
    ],
  );
  await queue.stop(1000);
});

test("retry leaves mail alone whose sender has set a later time, but for the one that is named", async (context) => {
  const world = new QueueWorld(context, new BrokenDisk());
  await world.serve();
  const queue = await world.open();
  const prefix = queue.intake.prefix();
  const id = `${prefix}-1`;
  const draft = queue.intake.begin({
    id,
    session: "s",
    envelope: {
      sender: "ann@here.test",
      recipients: [{ address: "b@here.test" }],
      body: "7bit",
      submitted: true,
      holdUntil: Date.now() + 3_600_000,
    },
  });
  assert.ok(!("kind" in draft));
  await draft.commit("");
  assert.deepEqual(
    (await listed(queue)).map(({ state }) => state),
    ["waiting"],
  );
  assert.deepEqual(await ask(queue, queueRetry, { id: "" }), { count: 0 });
  assert.deepEqual(await ask(queue, queueRetry, { id: "", where: { sender: "@here.test" } }), { count: 0 });
  assert.deepEqual(await ask(queue, queueRetry, { id: "", where: { ids: [id] } }), { count: 1 });
  await world.until(() => queue.entries.size === 0, "its delivery");
  await queue.stop(1000);
});

test("an order that comes while auth is asked where the mail goes is not overtaken", async (context) => {
  const world = new QueueWorld(context, new BrokenDisk());
  let answer = () => {};
  const asked = new Promise<void>((resolve) => {
    answer = resolve;
  });
  for (const to of ["local", "remote"]) await world.answer(to, []);
  let questions = 0;
  await world.answer("auth", [
    on(isLocal, async () => {
      questions++;
      await asked;
      return { local: true };
    }),
  ]);
  const queue = await world.open();
  const injector = await world.injector(queue);
  await send(injector, { sender: "ann@far.test", to: ["b@here.test"] });
  await send(injector, { sender: "eve@far.test", to: ["c@here.test"] });
  await world.until(() => questions > 0, "the question");
  await give(queue, "hold", { sender: "ann@far.test" });
  await give(queue, "remove", { sender: "eve@far.test" });
  answer();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const states = (await listed(queue)).map(({ state, recipients }) => [state, recipients[0]?.attempts]);
  assert.deepEqual(states, [["held", 0]]);
  assert.ok(!world.lines.some((line) => line.startsWith("trouble")), world.lines.join("\n"));
  await queue.stop(1000);
});

test("every order on nothing does nothing", async (context) => {
  const world = new QueueWorld(context, new BrokenDisk());
  await world.serve();
  const queue = await world.open();
  for (const order of orders)
    assert.deepEqual(await give(queue, order, { ids: ["gone-1"] }), {
      messages: 0,
      recipients: 0,
      running: 0,
    });
  await queue.stop(1000);
});
