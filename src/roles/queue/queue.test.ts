import assert from "node:assert/strict";
import test from "node:test";
import { realDisk } from "#sys/disk.ts";
import { BrokenDisk } from "#test/support/brokendisk.ts";
import { FakeClock } from "#test/support/clock.ts";
import { deferred, delivered, failed, QueueWorld, send } from "#test/support/queueworld.ts";

test("a message is taken, delivered once, and gone; on a real disk, across a restart", async (context) => {
  const world = new QueueWorld(context, realDisk);
  await world.serve();
  const queue = await world.open();
  const injector = await world.injector(queue);
  const large = `Subject: large\r\n\r\n${"0123456789abcde\n".repeat(30_000)}`;
  assert.equal((await send(injector, { to: ["bob@here.test"] })).kind, "queued");
  assert.equal((await send(injector, { to: ["bob@here.test"], body: large })).kind, "queued");
  await world.until(() => queue.entries.size === 0, "the end of both");
  assert.deepEqual(world.tried, ["bob@here.test", "bob@here.test"]);
  assert.deepEqual(
    world.attempts.map(({ body, delivery }) => [body, delivery.place.kind, delivery.again]),
    [
      ["Subject: x\r\n\r\nbody\r\n", "inline", false],
      [large, "file", false],
    ],
  );
  world.local = () => deferred();
  await send(injector, { to: ["carol@here.test"], body: large });
  await world.until(() => world.attempts.length === 3, "an attempt");
  await queue.stop(1000);
  world.hangUp();
  world.local = () => delivered;
  const again = await world.open();
  assert.equal(again.entries.size, 1);
  again.control[1]?.run({ id: "" });
  await world.until(() => again.entries.size === 0, "the delivery after the restart");
  assert.equal(world.attempts[3]?.delivery.again, true);
  assert.equal(world.attempts[3]?.body, large);
  await again.stop(1000);
  assert.deepEqual(await realDisk.list(`${world.spool}/body`), []);
});

test("fields that come at the end stand before the body, small or large, before and after a restart", async (context) => {
  const world = new QueueWorld(context, realDisk);
  await world.serve();
  const queue = await world.open();
  const injector = await world.injector(queue);
  const front = "X-Spam: \u00e4\r\n";
  const wire = Buffer.from(front).toString("latin1");
  const large = `Subject: large\r\n\r\n${"0123456789abcde\n".repeat(30_000)}`;
  world.local = () => deferred();
  await send(injector, { to: ["bob@here.test"], front });
  await send(injector, { to: ["carol@here.test"], body: large, front });
  await world.until(() => world.attempts.length === 2, "two attempts");
  const placed = () =>
    [...queue.entries.all()].find(({ recipients }) => recipients[0]?.address === "carol@here.test")?.kept
      .segment;
  const segment = placed();
  // the segment is crowded out, so that the record is copied
  world.local = (_, address) => (address === "dave@here.test" ? delivered : deferred());
  for (let count = 0; placed() === segment && count < 200; count++)
    await send(injector, { to: ["dave@here.test"], body: large.slice(0, 100_000) });
  assert.notEqual(placed(), segment);
  await world.until(() => queue.entries.size === 2, "the end of all others");
  const before = world.attempts.length;
  const sizes = [...queue.entries.all()].map(({ size }) => size);
  await queue.stop(1000);
  world.hangUp();
  // the segments that were given up go in the background; a process that has ended removes none
  for (let count = -1, now = 0; count !== now; now = (await realDisk.list(`${world.spool}/journal`)).length) {
    count = now;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  world.local = () => delivered;
  const again = await world.open();
  assert.deepEqual(
    [...again.entries.all()].map(({ size }) => size),
    sizes,
  );
  again.control[1]?.run({ id: "" });
  await world.until(() => again.entries.size === 0, "their ends");
  const bodies = [...world.attempts.slice(0, 2), ...world.attempts.slice(before)].map(({ body }) => body);
  const small = `${wire}Subject: x\r\n\r\nbody\r\n`;
  assert.equal(bodies.length, 4);
  assert.equal(bodies.filter((body) => body === small).length, 2);
  assert.equal(bodies.filter((body) => body === wire + large).length, 2);
  await again.stop(1000);
});

test("many messages at once share their syncs", async (context) => {
  const disk = new BrokenDisk();
  const world = new QueueWorld(context, disk);
  await world.serve();
  const queue = await world.open();
  const injector = await world.injector(queue);
  world.local = () => deferred();
  const before = queue.syncs;
  const results = await Promise.all(
    Array.from({ length: 200 }, (_, n) => send(injector, { to: [`u${n}@here.test`] })),
  );
  assert.ok(results.every(({ kind }) => kind === "queued"));
  assert.ok(queue.syncs - before < 20, `${queue.syncs - before} syncs`);
  await queue.stop(1000);
});

test("recipients go by domain: here to local, elsewhere to remote, one delivery for each", async (context) => {
  const world = new QueueWorld(context, new BrokenDisk());
  await world.serve();
  const queue = await world.open();
  const injector = await world.injector(queue);
  await send(injector, { to: ["a@here.test", "b@far.test", "c@here.test", "d@near.test", "e@far.test"] });
  await world.until(() => queue.entries.size === 0, "the end");
  const rows = world.attempts.map(({ to, delivery }) => [
    to,
    delivery.domain,
    delivery.recipients.map(({ index, address }) => `${index} ${address}`).join(),
  ]);
  assert.deepEqual(rows.sort(), [
    ["local", "", "0 a@here.test,2 c@here.test"],
    ["remote", "far.test", "1 b@far.test,4 e@far.test"],
    ["remote", "near.test", "3 d@near.test"],
  ]);
  await queue.stop(1000);
});

test("an unreachable destination is tried on qmail's schedule, then the sender gets a bounce", async (context) => {
  const clock = new FakeClock();
  const world = new QueueWorld(context, new BrokenDisk(), clock);
  world.remote = () => deferred("4.4.1", "Connection refused");
  await world.serve();
  const queue = await world.open();
  const injector = await world.injector(queue);
  const start = clock.now();
  const times: number[] = [];
  world.remote = () => {
    times.push((clock.now() - start) / 1000);
    return deferred("4.4.1", "Connection refused");
  };
  await send(injector, {
    sender: "ann@here.test",
    to: ["bob@far.test"],
    body: "Subject: ü\r\nX: y\r\n\r\nbody\r\n",
  });
  for (let n = 1; n <= 40; n++) {
    await world.until(() => times.length === n, `attempt ${n} of ${times.join()}`);
    if (n === 40) break;
    await world.until(() => !world.attempts.some(() => queueDelivering(queue)), "the outcome");
    await advanceTo(clock, world, () => times.length > n);
  }
  assert.deepEqual(times.slice(0, 7), [0, 400, 1600, 3600, 6400, 10_000, 14_400]);
  // one back-off for the destination, at most two hours: it never holds this message up
  assert.equal(times.at(-1), 608_400);
  await world.until(() => world.attempts.some(({ to }) => to === "local"), "the bounce");
  const bounce = world.attempts.find(({ to }) => to === "local");
  assert.equal(bounce?.delivery.sender, "");
  assert.deepEqual(bounce?.delivery.recipients, [{ index: 0, address: "ann@here.test" }]);
  assert.match(bounce?.body ?? "", /Content-Type: multipart\/report; report-type=delivery-status/);
  assert.match(
    bounce?.body ?? "",
    /Final-Recipient: rfc822; bob@far\.test\r\nAction: failed\r\nStatus: 5\.4\.7\r\n/,
  );
  assert.match(bounce?.body ?? "", /Connection refused I'm not going to try again/);
  assert.match(bounce?.body ?? "", /Content-Type: message\/rfc822[\s\S]*X: y\r\n\r\nbody\r\n/);
  await world.until(() => queue.entries.size === 0, "the end");
  const stopping = queue.stop(1000);
  await clock.advance(1000);
  await stopping;
});

function queueDelivering(queue: Awaited<ReturnType<QueueWorld["open"]>>): boolean {
  return [...queue.entries.all()].some((entry) => entry.tasks.some((task) => task.flying));
}

/** Moves the clock from one due time to the next until something happens; sockets run in real time between. */
async function advanceTo(clock: FakeClock, world: QueueWorld, done: () => boolean): Promise<void> {
  for (let step = 0; step < 50 && !done(); step++) {
    const next = clock.pending[0];
    if (next !== undefined) await clock.advance(Math.max(0, next - clock.now()));
    for (let wait = 0; wait < 5 && !done(); wait++) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(done(), world.lines.join("\n"));
}

test("failures bounce once: to the sender, then to the postmaster, then to nobody", async (context) => {
  const world = new QueueWorld(context, new BrokenDisk());
  await world.serve();
  const queue = await world.open();
  const injector = await world.injector(queue);
  world.local = () => failed();
  world.remote = () => failed("5.7.1", "554 we do not like you");
  await send(injector, { sender: "ann@far.test", to: ["nobody@here.test", "no2@here.test"] });
  await world.until(() => queue.entries.size === 0, "the end");
  const rows = world.attempts.map(({ to, delivery }) => [
    to,
    delivery.sender,
    delivery.recipients.map(({ address }) => address).join(),
  ]);
  assert.deepEqual(rows, [
    ["local", "ann@far.test", "nobody@here.test,no2@here.test"],
    ["remote", "", "ann@far.test"],
    ["local", "", "postmaster@mx.here.test"],
  ]);
  assert.match(world.attempts[1]?.body ?? "", /no2@here\.test/);
  assert.match(world.attempts[2]?.body ?? "", /Diagnostic-Code: smtp; 554 we do not like you/);
  assert.equal(world.lines.filter((line) => line.startsWith("queue_discard")).length, 1);
  await queue.stop(1000);
});

test("a lost link is no attempt: what was under way goes again, and says that it may have been", async (context) => {
  const world = new QueueWorld(context, new BrokenDisk());
  await world.serve();
  const queue = await world.open();
  const injector = await world.injector(queue);
  let calls = 0;
  let release = () => {};
  world.local = () => {
    if (calls++ > 0) return delivered;
    return new Promise((resolve) => (release = () => resolve(delivered)));
  };
  await send(injector, { to: ["bob@here.test"] });
  await world.until(() => calls === 1, "the first attempt");
  world.cut("local");
  await world.until(() => calls === 2, "the second attempt");
  release();
  await world.until(() => queue.entries.size === 0, "the end");
  assert.deepEqual(
    world.attempts.map(({ delivery }) => delivery.again),
    [false, true],
  );
  const line = world.lines.find((each) => each.startsWith("queue_delivery"));
  assert.match(line ?? "", /outcome=delivered .* attempts=1$/);
  await queue.stop(1000);
});

test("mail for a destination that cannot be reached waits behind one attempt for all", async (context) => {
  const clock = new FakeClock();
  const world = new QueueWorld(context, new BrokenDisk(), clock);
  await world.serve();
  const queue = await world.open();
  const injector = await world.injector(queue);
  world.remote = ({ domain }) =>
    domain === "near.test" ? delivered : deferred("4.4.1", "Connection refused");
  await send(injector, { to: ["a@far.test"] });
  await world.until(() => world.attempts.length === 1 && !queueDelivering(queue), "the first attempt");
  for (let n = 0; n < 20; n++) await send(injector, { to: [`b${n}@far.test`] });
  await send(injector, { to: ["c@near.test"] });
  await world.until(() => world.attempts.length === 2, "the other destination");
  assert.deepEqual(world.tried, ["a@far.test", "c@near.test"]);
  let release = () => {};
  world.remote = () => new Promise((resolve) => (release = () => resolve(delivered)));
  await clock.advance(400_000);
  await world.until(() => world.attempts.length === 3, "the one attempt");
  await clock.advance(10);
  assert.equal(world.attempts.length, 3);
  world.remote = () => delivered;
  release();
  await world.until(() => world.attempts.length === 22 + 1, "all others");
  const stopping = queue.stop(1000);
  await clock.advance(1000);
  await stopping;
});

test("our own users hear of a delay once; strangers do not", async (context) => {
  const clock = new FakeClock();
  const world = new QueueWorld(context, new BrokenDisk(), clock);
  await world.serve();
  const queue = await world.open();
  const injector = await world.injector(queue);
  world.remote = () => deferred("4.2.0", "Busy");
  await send(injector, { sender: "ann@here.test", to: ["a@far.test"], submitted: true });
  await send(injector, { sender: "eve@here.test", to: ["b@far.test"], submitted: false });
  for (let n = 1; n <= 9; n++) {
    const before = world.attempts.filter(({ to }) => to === "remote").length;
    await advanceTo(
      clock,
      world,
      () => world.attempts.filter(({ to }) => to === "remote").length >= before + 2,
    );
    await world.until(() => !queueDelivering(queue), "the outcome");
  }
  const notices = world.attempts.filter(({ to }) => to === "local");
  assert.deepEqual(
    notices.map(({ delivery }) => delivery.recipients[0]?.address),
    ["ann@here.test"],
  );
  assert.match(notices[0]?.body ?? "", /Action: delayed\r\nStatus: 4\.2\.0/);
  const stopping = queue.stop(1000);
  await clock.advance(1000);
  await stopping;
});

test("a disk below its floor refuses mail before the body", async (context) => {
  const disk = new BrokenDisk();
  const world = new QueueWorld(context, disk);
  world.slice = { ...world.slice, freeSpace: 1000 };
  disk.freeBytes = 999;
  await world.serve();
  const queue = await world.open();
  const injector = await world.injector(queue);
  const result = await send(injector, { to: ["bob@here.test"] });
  assert.deepEqual(result, { kind: "refused", reason: "full", text: "No room for mail now" });
  assert.equal((await send(injector, { to: [] })).kind, "refused");
  await queue.stop(1000);
});

test("an address with control characters is refused for good", async (context) => {
  const world = new QueueWorld(context, new BrokenDisk());
  await world.serve();
  const queue = await world.open();
  const injector = await world.injector(queue);
  for (const bad of ["b\r\nDATA@far.test", "b\0@far.test", "b\x7f@far.test"]) {
    for (const letter of [{ to: ["a@here.test", bad] }, { to: ["a@here.test"], sender: bad }]) {
      const result = await send(injector, letter);
      assert.equal(result.kind === "refused" && result.reason, "never", JSON.stringify(letter));
    }
  }
  assert.equal(queue.entries.size, 0);
  await queue.stop(1000);
});

test("a listing goes on where its page ended, though that message has left the queue", async (context) => {
  const world = new QueueWorld(context, new BrokenDisk());
  await world.serve();
  const queue = await world.open();
  const injector = await world.injector(queue);
  world.local = () => deferred();
  const ids: string[] = [];
  for (let n = 0; n < 4; n++) {
    const result = await send(injector, { to: [`u${n}@here.test`] });
    if (result.kind === "queued") ids.push(result.id);
  }
  await world.until(() => world.attempts.length === 4 && !queueDelivering(queue), "four attempts");
  const listing = async (after: string) => {
    const page = (await queue.control[0]?.run({ after, most: 2 })) as { messages: { id: string }[] };
    return page.messages.map(({ id }) => id);
  };
  assert.deepEqual(await listing(""), ids.slice(0, 2));
  world.local = () => delivered;
  await queue.control[1]?.run({ id: ids[1] ?? "" });
  await world.until(() => queue.entries.size === 3, "the end of the last one listed");
  assert.deepEqual(await listing(ids[1] ?? ""), ids.slice(2));
  assert.deepEqual(await listing("gone-1"), []);
  await queue.stop(1000);
});

test("the list shows who waits for what, page by page", async (context) => {
  const world = new QueueWorld(context, new BrokenDisk());
  await world.serve();
  const queue = await world.open();
  const injector = await world.injector(queue);
  world.local = (_, address) => (address.startsWith("a") ? delivered : deferred("4.2.2", "Mailbox full"));
  const ids: string[] = [];
  for (let n = 0; n < 3; n++) {
    const result = await send(injector, { to: ["a@here.test", "b@here.test"] });
    if (result.kind === "queued") ids.push(result.id);
  }
  await world.until(() => world.attempts.length === 3 && !queueDelivering(queue), "three attempts");
  const listing = async (after: string, most: number) =>
    (await queue.control[0]?.run({ after, most })) as { messages: { id: string; recipients: unknown[] }[] };
  const first = await listing("", 2);
  assert.deepEqual(
    first.messages.map(({ id }) => id),
    ids.slice(0, 2),
  );
  const rest = await listing(ids[1] ?? "", 2);
  assert.deepEqual(
    rest.messages.map(({ id }) => id),
    ids.slice(2),
  );
  const [a, b] = (rest.messages[0]?.recipients ?? []) as {
    state: string;
    attempts: number;
    status: string;
  }[];
  assert.deepEqual([a?.state, a?.attempts], ["delivered", 1]);
  assert.deepEqual([b?.state, b?.attempts, b?.status], ["waiting", 1, "4.2.2"]);
  assert.deepEqual(await queue.control[1]?.run({ id: ids[0] ?? "" }), { count: 1 });
  await world.until(() => world.attempts.length === 4, "the hurried one");
  assert.deepEqual(world.attempts[3]?.delivery.recipients, [{ index: 1, address: "b@here.test" }]);
  await queue.stop(1000);
});
