import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { BrokenDisk } from "#test/support/brokendisk.ts";
import { FakeClock } from "#test/support/clock.ts";
import { deferred, delivered, failed, QueueWorld, send } from "#test/support/queueworld.ts";
import type { Envelope, Outcome } from "#wire/envelope.ts";
import type { Queue } from "./queue.ts";

interface Place {
  readonly world: QueueWorld;
  readonly queue: Queue;
  readonly clock: FakeClock;
  readonly send: (envelope: Partial<Envelope>) => Promise<void>;
}

async function place(context: TestContext): Promise<Place> {
  const clock = new FakeClock();
  const world = new QueueWorld(context, new BrokenDisk(), clock);
  await world.serve();
  const queue = await world.open();
  const injector = await world.injector(queue);
  return {
    world,
    queue,
    clock,
    send: async (envelope) => {
      const result = await send(injector, { sender: "ann@here.test", to: [], submitted: true, envelope });
      assert.equal(result.kind, "queued");
    },
  };
}

async function stop({ queue, clock }: Place): Promise<void> {
  const stopping = queue.stop(1000);
  await clock.advance(1000);
  await stopping;
}

/** The notices that local got: action and address of each recipient they name. */
const notices = (world: QueueWorld): readonly (readonly string[])[] =>
  world.attempts
    .filter(({ delivery }) => delivery.sender === "")
    .map(({ body }) =>
      [...body.matchAll(/^Final-Recipient: rfc822; (.*)\r\nAction: (.*)\r$/gm)].map(
        ([, address = "", action = ""]) => `${action} ${address}`,
      ),
    );

/** Remote delivers one message after the other, the first one when what this returns is called. */
function oneAtATime(world: QueueWorld): () => void {
  world.slice = { ...world.slice, remoteConcurrency: 1 };
  const { promise, resolve } = Promise.withResolvers<void>();
  world.remote = async () => {
    await promise;
    return delivered;
  };
  return resolve;
}

const handed: Outcome = { kind: "delivered", by: "test", handedOn: true };

test("the sender hears what he asked to hear, of each recipient, in one report", async (context) => {
  type Notify = Envelope["recipients"][number]["notify"];
  const rows: readonly [to: string, outcome: Outcome, notify: Notify, told: string | undefined][] = [
    ["a@here.test", delivered, undefined, undefined],
    ["a@here.test", delivered, ["success"], "delivered"],
    ["a@here.test", delivered, ["failure", "delay"], undefined],
    ["a@here.test", failed(), undefined, "failed"],
    ["a@here.test", failed(), ["failure"], "failed"],
    ["a@here.test", failed(), ["success", "delay"], undefined],
    ["a@here.test", failed(), [], undefined],
    ["a@far.test", delivered, ["success"], "relayed"],
    ["a@far.test", handed, ["success"], undefined],
    ["a@far.test", delivered, undefined, undefined],
  ];
  for (const [to, outcome, notify, told] of rows) {
    const here = await place(context);
    const { world } = here;
    world.local = (_, address) => (address === "ann@here.test" ? delivered : outcome);
    world.remote = () => outcome;
    await here.send({ recipients: [{ address: to, notify }] });
    await world.until(() => here.queue.entries.size === 0, "the end");
    assert.deepEqual(notices(world), told === undefined ? [] : [[`${told} ${to}`]], `${to} ${notify}`);
    await stop(here);
  }
});

test("one report names failures and successes; ENVID, ORCPT and RET are in it", async (context) => {
  const here = await place(context);
  const { world } = here;
  world.local = (_, address) => (address === "no@here.test" ? failed() : delivered);
  await here.send({
    envid: "order 66",
    ret: "headers",
    recipients: [
      { address: "no@here.test", original: "rfc822;old@here.test" },
      { address: "yes@here.test", notify: ["success"] },
      { address: "quiet@here.test" },
      { address: "b@far.test", notify: ["success", "failure"] },
    ],
  });
  await world.until(() => here.queue.entries.size === 0, "the end");
  assert.deepEqual(notices(world), [
    ["failed no@here.test", "delivered yes@here.test", "relayed b@far.test"],
  ]);
  const body = world.attempts.at(-1)?.body ?? "";
  assert.match(body, /\r\nOriginal-Envelope-Id: order 66\r\n/);
  assert.match(body, /\r\nOriginal-Recipient: rfc822; old@here\.test\r\n/);
  assert.match(body, /Content-Type: text\/rfc822-headers\r\n\r\nSubject: x\r\n\r\n--/);
  await stop(here);
});

test("nobody is told that a report arrived", async (context) => {
  const here = await place(context);
  await here.send({ sender: "", recipients: [{ address: "a@here.test", notify: ["success"] }] });
  await here.world.until(() => here.queue.entries.size === 0, "the end");
  assert.equal(here.world.attempts.length, 1);
  await stop(here);
});

test("what another server answers for is known behind a restart", async (context) => {
  const here = await place(context);
  const { world, clock } = here;
  world.remote = (delivery) => (delivery.domain === "far.test" ? delivered : deferred("4.2.0", "busy"));
  await here.send({
    recipients: [
      { address: "a@far.test", notify: ["success"] },
      { address: "b@slow.test", notify: ["success"] },
    ],
  });
  await world.until(() => world.attempts.length === 2, "both attempts");
  await world.until(() => world.lines.filter((line) => /^queue_delivery/.test(line)).length === 2, "both");
  await stop(here);
  world.hangUp();
  world.remote = () => handed;
  const again = await world.open();
  again.control[1]?.run({ id: "" });
  await world.until(() => again.entries.size === 0, "the end");
  assert.deepEqual(notices(world), [["relayed a@far.test"]]);
  await stop({ ...here, queue: again, clock });
});

test("a message waits until its sender lets it go, and its time counts from then", async (context) => {
  const here = await place(context);
  const { world, clock } = here;
  const day = 86_400_000;
  const letGo = clock.now() + 8 * day;
  let reached = false;
  world.remote = () => (reached ? delivered : deferred("4.4.1", "Connection refused"));
  await here.send({ holdUntil: letGo, recipients: [{ address: "a@far.test" }] });
  await clock.advance(8 * day - 1000);
  assert.equal(world.attempts.length, 0);
  await clock.advance(2000);
  await world.until(() => world.attempts.length === 1, "the first attempt");
  await world.until(() => world.lines.some((line) => /^queue_delivery/.test(line)), "its outcome");
  // qmail's schedule from the moment it was let go: 400 s later, though it is older than a message may grow
  reached = true;
  await clock.advance(401_000);
  await world.until(() => here.queue.entries.size === 0, "the delivery");
  assert.equal(world.attempts.length, 2);
  await stop(here);
});

test("mail whose time is over comes back, without another attempt", async (context) => {
  const here = await place(context);
  const { world, clock } = here;
  world.remote = () => deferred("4.4.1", "Connection refused");
  const time = clock.now() + 600_000;
  await here.send({ deliverBy: { time, mode: "return" }, recipients: [{ address: "a@far.test" }] });
  await world.until(() => world.lines.some((line) => /^queue_delivery/.test(line)), "the first outcome");
  await clock.advance(599_000);
  const tried = () => world.attempts.filter(({ to }) => to === "remote").length;
  const before = tried();
  await clock.advance(2000);
  await world.until(() => here.queue.entries.size === 0, "the end");
  assert.equal(tried(), before);
  assert.deepEqual(notices(world), [["failed a@far.test"]]);
  const body = world.attempts.at(-1)?.body ?? "";
  assert.match(body, /Status: 5\.4\.7\r\nDiagnostic-Code: x-kenro; Connection refused/);
  assert.match(body, /the\s+time\s+that\s+the\s+sender\s+set\s+for\s+it\s+is\s+over/);
  await stop(here);
});

test("a sender who asked so hears when his time is over, and the message goes on", async (context) => {
  const here = await place(context);
  const { world, clock } = here;
  world.remote = () => deferred("4.2.0", "Busy");
  const time = clock.now() + 600_000;
  const recipients = [
    { address: "a@far.test" },
    { address: "b@far.test", notify: ["failure" as const] },
    { address: "c@far.test", notify: ["delay" as const] },
  ];
  await here.send({ deliverBy: { time, mode: "notify" }, recipients });
  await world.until(() => world.lines.some((line) => /^queue_delivery/.test(line)), "the first outcome");
  await clock.advance(599_000);
  assert.deepEqual(notices(world), []);
  await clock.advance(2000);
  await world.until(() => notices(world).length === 1, "the notice");
  assert.deepEqual(notices(world), [["delayed a@far.test", "delayed c@far.test"]]);
  assert.equal(here.queue.entries.size, 1);
  await stop(here);
});

test("a trace is told of every server that took the message", async (context) => {
  const here = await place(context);
  here.world.remote = () => handed;
  const time = here.clock.now() + 600_000;
  await here.send({
    deliverBy: { time, mode: "notify", trace: true },
    recipients: [{ address: "a@far.test" }],
  });
  await here.world.until(() => here.queue.entries.size === 0, "the end");
  assert.deepEqual(notices(here.world), [["relayed a@far.test"]]);
  await stop(here);
});

test("of what waits for one destination, the most urgent goes first; equals in their order", async (context) => {
  const here = await place(context);
  const { world } = here;
  const release = oneAtATime(world);
  await here.send({ recipients: [{ address: "first@far.test" }] });
  await world.until(() => world.attempts.length === 1, "the first attempt");
  for (const [name, priority] of [
    ["low", -5],
    ["plain1", undefined],
    ["high1", 4],
    ["plain2", 0],
    ["highest", 9],
    ["high2", 4],
    ["lowest", -9],
  ] as const)
    await here.send({ priority, recipients: [{ address: `${name}@far.test` }] });
  release();
  await world.until(() => here.queue.entries.size === 0, "the end");
  const order = ["first", "highest", "high1", "high2", "plain1", "plain2", "low", "lowest"];
  assert.deepEqual(
    world.tried,
    order.map((name) => `${name}@far.test`),
  );
  await stop(here);
});

test("a VERP sender is another one for each recipient; what we report goes to its list", async (context) => {
  const here = await place(context);
  const { world } = here;
  world.remote = (_, address) => (address === "no@far.test" ? failed() : delivered);
  const recipients = ["ann@far.test", "no@far.test", "bob@near.test"].map((address) => ({ address }));
  await here.send({ sender: "list-@here.test-@[]", recipients });
  await world.until(() => here.queue.entries.size === 0, "the end");
  const rows = world.attempts.map(
    ({ delivery }) => `${delivery.sender} ${delivery.recipients.map(({ address }) => address).join()}`,
  );
  assert.deepEqual(rows.sort(), [
    " list-@here.test",
    "list-ann=far.test@here.test ann@far.test",
    "list-bob=near.test@here.test bob@near.test",
    "list-no=far.test@here.test no@far.test",
  ]);
  await stop(here);
});

test("the most urgent goes first, whatever its destination", async (context) => {
  const here = await place(context);
  const { world } = here;
  const release = oneAtATime(world);
  await here.send({ recipients: [{ address: "x@first.test" }] });
  await world.until(() => world.attempts.length === 1, "the first attempt");
  for (const [domain, priority] of [
    ["a.test", undefined],
    ["b.test", -1],
    ["c.test", 2],
    // a destination that waits already becomes as urgent as its most urgent mail
    ["b.test", 5],
    ["a.test", 1],
  ] as const)
    await here.send({ priority, recipients: [{ address: `p${priority ?? 0}@${domain}` }] });
  release();
  await world.until(() => here.queue.entries.size === 0, "the end");
  assert.deepEqual(world.tried, [
    "x@first.test",
    "p5@b.test",
    "p2@c.test",
    "p1@a.test",
    "p0@a.test",
    "p-1@b.test",
  ]);
  await stop(here);
});

test("a report has the priority of its message, is as protected, and carries binary parts as text", async (context) => {
  const here = await place(context);
  const { world } = here;
  world.remote = () => failed();
  const injector = await world.injector(here.queue);
  const binary = "Content-Type: application/x\r\nContent-Transfer-Encoding: binary\r\n\r\na\nb\0\r";
  for (const requireTls of [true, false]) {
    await send(injector, {
      sender: "ann@here.test",
      to: ["no@far.test"],
      body: binary,
      envelope: { priority: 3, body: "binarymime", ret: "full", ...(requireTls ? { requireTls } : {}) },
    });
    await world.until(() => here.queue.entries.size === 0, "the end");
  }
  const [secret, plain] = world.attempts.filter(({ to }) => to === "local");
  assert.deepEqual([secret?.delivery.priority, secret?.delivery.requireTls], [3, true]);
  assert.match(
    secret?.body ?? "",
    /Content-Type: text\/rfc822-headers\r\n\r\nContent-Type: application\/x\r\n/,
  );
  assert.deepEqual([plain?.delivery.priority, plain?.delivery.requireTls], [3, undefined]);
  assert.match(plain?.body ?? "", /Content-Transfer-Encoding: base64\r\n\r\nYQpiAA0=\r\n/);
  assert.doesNotMatch(plain?.body ?? "", /\0|\r(?!\n)|(?<!\r)\n/);
  await stop(here);
});

test("a sender hears in time that it is late, though its destination is left alone meanwhile", async (context) => {
  const here = await place(context);
  const { world, clock } = here;
  world.remote = () => deferred("4.4.1", "Connection refused");
  await here.send({ recipients: [{ address: "first@far.test" }] });
  await world.until(() => world.lines.some((line) => /^queue_delivery/.test(line)), "the first outcome");
  const time = clock.now() + 100_000;
  await here.send({ deliverBy: { time, mode: "notify" }, recipients: [{ address: "late@far.test" }] });
  await clock.advance(99_000);
  assert.deepEqual(notices(world), []);
  await clock.advance(2000);
  await world.until(() => notices(world).length === 1, "the notice");
  assert.deepEqual(notices(world), [["delayed late@far.test"]]);
  assert.match(world.attempts.at(-1)?.body ?? "", /Status: 4\.4\.7\r\n/);
  assert.deepEqual(world.tried, ["first@far.test", "ann@here.test"]);
  await stop(here);
});
