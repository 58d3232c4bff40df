import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { BrokenDisk } from "#test/support/brokendisk.ts";
import { FakeClock, settle } from "#test/support/clock.ts";
import { deferred, delivered, QueueWorld, send } from "#test/support/queueworld.ts";

const HOUR = 3_600_000;

async function opened(context: TestContext) {
  const clock = new FakeClock();
  const world = new QueueWorld(context, new BrokenDisk(), clock);
  await world.serve();
  const queue = await world.open();
  return { clock, world, queue, injector: await world.injector(queue) };
}

test("T1: with a remote concurrency of zero mail waits as if it were held, and goes on when there is one again", async (context) => {
  const { clock, world, queue, injector } = await opened(context);
  world.slice = { ...world.slice, remoteConcurrency: 0 };
  await send(injector, { to: ["a@far.test"], sender: "ann@here.test", submitted: true });
  await send(injector, { to: ["bob@here.test"] });
  await world.until(() => queue.entries.size === 1, "the end of the local one");
  await clock.advance(5 * HOUR);
  await settle();
  assert.ok(!world.tried.includes("a@far.test"));
  await world.until(() => world.tried.includes("ann@here.test"), "a delay warning");
  // far beyond its lifetime
  await clock.advance(200 * HOUR);
  assert.ok(!world.tried.includes("a@far.test"));
  world.slice = { ...world.slice, remoteConcurrency: 20 };
  await clock.advance(60_000);
  await world.until(() => queue.entries.size === 0, "the end of all");
  assert.equal(world.tried.filter((address) => address === "a@far.test").length, 1);
  await queue.stop(0);
});

test("T4: all mail for a destination that stays dead comes back when its time is over, though few were tried", async (context) => {
  const { clock, world, queue, injector } = await opened(context);
  world.slice = { ...world.slice, lifetime: 48 * HOUR, destinationStart: 1 };
  world.remote = () => deferred("4.4.1", "Nobody is there.");
  for (let n = 0; n < 40; n++) await send(injector, { to: [`u${n}@dead.test`], sender: "ann@here.test" });
  await world.until(() => world.tried.length > 0, "an attempt");
  await settle();
  assert.equal(queue.entries.awake, 0);
  for (let hours = 0; hours < 60; hours++) await clock.advance(HOUR);
  await world.until(() => queue.entries.size === 0, "the end of all");
  const bounces = world.attempts.filter(({ to }) => to === "local");
  assert.equal(bounces.length, 40);
  for (const { body } of bounces) assert.match(body, /^Status: 5\.4\.7/m);
  assert.ok(world.tried.filter((address) => address.endsWith("@dead.test")).length < 60);
  await queue.stop(0);
});

test("T4: when a dead destination takes mail again, all that was sent away goes at once", async (context) => {
  const { clock, world, queue, injector } = await opened(context);
  world.slice = { ...world.slice, destinationStart: 1 };
  world.remote = () => deferred("4.4.1", "Nobody is there.");
  for (let n = 0; n < 40; n++) await send(injector, { to: [`u${n}@dead.test`] });
  await world.until(() => world.tried.length > 0, "an attempt");
  await clock.advance(3 * HOUR);
  const before = clock.now();
  world.remote = () => delivered;
  while (queue.entries.size > 0) await clock.advance(60_000);
  assert.ok(clock.now() - before < 2.5 * HOUR);
  const ends = world.attempts.slice(-40);
  assert.equal(
    new Set(ends.flatMap(({ delivery }) => delivery.recipients.map(({ address }) => address))).size,
    40,
  );
  await queue.stop(0);
});

test("thousands of messages for a destination that is silent hold up none for another: no moment passes before all of these are out", async (context) => {
  const clock = new FakeClock();
  const world = new QueueWorld(context, new BrokenDisk(), clock);
  await world.serve();
  world.remote = () => deferred("4.4.1", "Nobody is there.");
  const first = await world.open();
  const before = await world.injector(first);
  await Promise.all(Array.from({ length: 3000 }, (_, n) => send(before, { to: [`u${n}@dead.test`] })));
  await first.stop(1000);
  world.hangUp();
  // all of them are due, and every attempt hangs
  clock.jump(clock.now() + 24 * HOUR);
  const hung: (() => void)[] = [];
  world.attempts.length = 0;
  world.slice = { ...world.slice, destinationStart: 2 };
  world.remote = (_, address) =>
    address.endsWith("@live.test")
      ? delivered
      : new Promise((resolve) => hung.push(() => resolve(deferred("4.4.2", "Silence."))));
  const queue = await world.open();
  const injector = await world.injector(queue);
  const started = clock.now();
  for (let n = 0; n < 300; n++) await send(injector, { to: [`u${n}@live.test`] });
  await world.until(() => queue.entries.size === 3000, "the end of all live mail");
  assert.equal(clock.now(), started);
  assert.equal(hung.length, 2);
  for (const answer of hung) answer();
  await settle();
  await clock.advance(60_000);
  // one of them spoke for all
  await world.until(() => queue.entries.awake === 0, "rest for all dead mail");
  assert.equal(hung.length, 2);
  await queue.stop(0);
});
