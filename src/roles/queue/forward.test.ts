import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import type { Disk } from "#sys/disk.ts";
import type { Delivery } from "#talk/deliver.ts";
import { queueOrder } from "#talk/queuecontrol.ts";
import { BrokenDisk } from "#test/support/brokendisk.ts";
import { FakeClock } from "#test/support/clock.ts";
import { deferred, delivered, failed, QueueWorld, send } from "#test/support/queueworld.ts";
import type { Envelope, Letter, Outcome } from "#wire/envelope.ts";
import type { Queue } from "./queue.ts";

const PREFIX = "Delivered-To: alias@here.test\r\n";

const forwarded = (recipients: readonly string[], more: Partial<Letter> = {}): Outcome => ({
  kind: "forwarded",
  by: "on its way",
  letter: { recipients, prefix: PREFIX, ...more },
});

interface Place {
  readonly world: QueueWorld;
  readonly queue: Queue;
  readonly clock: FakeClock;
  readonly send: (envelope: Partial<Envelope>, body?: string) => Promise<void>;
}

async function place(context: TestContext, disk: Disk = new BrokenDisk()): Promise<Place> {
  const clock = new FakeClock();
  const world = new QueueWorld(context, disk, clock);
  await world.serve();
  const queue = await world.open();
  context.after(async () => {
    const stopping = queue.stop(1000);
    await clock.advance(1000);
    await stopping;
  });
  const injector = await world.injector(queue);
  const submit = async (envelope: Partial<Envelope>, body?: string) => {
    const letter = { sender: "ann@far.test", to: [], envelope };
    const result = await send(injector, body === undefined ? letter : { ...letter, body });
    assert.equal(result.kind, "queued");
  };
  return { world, queue, clock, send: submit };
}

/** Local passes on what comes to "alias@", and delivers or refuses the rest. */
function passOn({ world }: Place, outcome: Outcome, rest: Outcome = delivered): void {
  world.local = (_, address) => (address.startsWith("alias@") ? outcome : rest);
}

const toAlias = (more: Partial<Envelope["recipients"][number]> = {}) => ({
  recipients: [{ address: "alias@here.test", ...more }],
});

const attemptFor = ({ world }: Place, address: string): Delivery | undefined =>
  world.attempts.find(({ delivery }) => delivery.recipients.some((each) => each.address === address))
    ?.delivery;

test("a message goes on to other addresses as a new one with a line more, and its recipient is done with", async (context) => {
  for (const body of [
    "Subject: x\r\n\r\nbody\r\n",
    `Subject: x\r\n\r\n${"0123456789abcd\r\n".repeat(20_000)}`,
  ]) {
    const here = await place(context);
    const { world, queue } = here;
    passOn(here, forwarded(["bob@here.test", "carol@far.test"]));
    await here.send(toAlias(), body);
    await world.until(() => queue.entries.size === 0, "the end");
    assert.deepEqual([...world.tried].sort(), ["alias@here.test", "bob@here.test", "carol@far.test"]);
    for (const attempt of world.attempts.slice(1)) {
      assert.equal(attempt.body, PREFIX + body);
      assert.equal(attempt.delivery.sender, "ann@far.test");
      assert.notEqual(attempt.delivery.id, world.attempts[0]?.delivery.id);
      assert.equal(attempt.delivery.again, false);
    }
    assert.ok(
      world.lines.some((line) =>
        /^queue_forward id=\S+ to=alias@here.test forward=\S+ recipients=2/.test(line),
      ),
    );
    // removed when the end is durable, which nobody waits for
    const bodies = async () => (await world.disk.list(`${world.spool}/body`)).length;
    await world.until(async () => (await bodies()) === 0, "no body is left");
  }
});

test("a large body is not copied, unless a file can have no second name or the lines in front are too many", async (context) => {
  const body = `Subject: x\r\n\r\n${"0123456789abcd\r\n".repeat(20_000)}`;
  const rows: readonly [what: string, link: boolean, prefix: string, kept: "named" | "copied"][] = [
    ["as a rule", true, PREFIX, "named"],
    ["no second names", false, PREFIX, "copied"],
    ["long lines", true, `X: ${"y".repeat(limits.queue.front - 5)}\r\n`, "named"],
    ["longer lines with those before", true, `X: ${"y".repeat(limits.queue.front - 5)}\r\n`, "copied"],
  ];
  for (const [what, link, prefix, kept] of rows) {
    const disk = new BrokenDisk();
    if (!link)
      disk.link = async () => {
        throw new Trouble("link", "Cannot link", { code: "EPERM" });
      };
    const here = await place(context, disk);
    const { world } = here;
    const chain = what.includes("before");
    world.local = (_, address) => {
      if (address === "first@here.test") return forwarded(["alias@here.test"]);
      return address === "alias@here.test" ? forwarded(["bob@here.test"], { prefix }) : deferred();
    };
    await here.send({ recipients: [{ address: chain ? "first@here.test" : "alias@here.test" }] }, body);
    await world.until(() => world.tried.includes("bob@here.test"), what);
    const [last] = world.attempts.slice(-1);
    assert.equal(last?.body, `${prefix}${chain ? PREFIX : ""}${body}`, what);
    const at = last?.delivery.place;
    assert.equal(at?.kind === "file" && at.front !== undefined ? "named" : "copied", kept, what);
  }
});

test("what the sender asked for goes on, and he hears of each stage what RFC 3461 §5.2.7 says", async (context) => {
  type Notify = Envelope["recipients"][number]["notify"];
  const one = ["bob@here.test"];
  const two = ["bob@here.test", "carol@here.test"];
  const rows: readonly [to: readonly string[], notify: Notify, on: Notify, told: readonly string[]][] = [
    [one, undefined, undefined, []],
    [one, ["success", "failure"], ["success", "failure"], ["delivered bob@here.test"]],
    [one, [], [], []],
    [two, undefined, undefined, []],
    [two, ["success", "failure"], ["failure"], ["expanded alias@here.test"]],
    [two, ["success"], [], ["expanded alias@here.test"]],
    [two, ["delay"], ["delay"], []],
  ];
  for (const [to, notify, on, told] of rows) {
    const here = await place(context);
    const { world, queue } = here;
    passOn(here, forwarded(to));
    await here.send({
      ...toAlias({ notify }),
      envid: "order 66",
      ret: "headers",
      requireTls: true,
      priority: 3,
    });
    await world.until(() => queue.entries.size === 0, "the end");
    const what = `${to} ${notify}`;
    const next = attemptFor(here, "bob@here.test");
    assert.deepEqual(
      next?.recipients.map((each) => [each.address, each.notify, each.original]),
      to.map((address) => [address, on, "rfc822;alias@here.test"]),
      what,
    );
    const { envid, ret, requireTls, priority, submitted } = next ?? {};
    assert.deepEqual([envid, ret, requireTls, priority, submitted], ["order 66", "headers", true, 3, false]);
    const reports = world.attempts.filter(({ delivery }) => delivery.sender === "");
    const found = reports.flatMap(({ body }) =>
      [...body.matchAll(/^Final-Recipient: rfc822; (.*)\r\nAction: (.*)\r$/gm)].map(
        ([, address, action]) => `${action} ${address}`,
      ),
    );
    assert.deepEqual(found, told, what);
    if (to === one && told.length > 0)
      assert.match(reports[0]?.body ?? "", /^Original-Recipient: rfc822; alias@here.test\r$/m);
  }
});

test("from a list on its owner is the sender, and the first one hears that it arrived", async (context) => {
  const here = await place(context);
  const { world, queue } = here;
  world.local = (_, address) => {
    if (address === "alias@here.test")
      return forwarded(["no@here.test"], { sender: "alias-owner@here.test" });
    return address === "no@here.test" ? failed() : delivered;
  };
  await here.send({
    ...toAlias({ notify: ["success", "failure"] }),
    envid: "x",
    deliverBy: { time: 9e12, mode: "notify", trace: true },
  });
  await world.until(() => queue.entries.size === 0, "the end");
  const next = attemptFor(here, "no@here.test");
  assert.equal(next?.sender, "alias-owner@here.test");
  for (const gone of [
    next?.envid,
    next?.deliverBy,
    next?.recipients[0]?.notify,
    next?.recipients[0]?.original,
  ])
    assert.equal(gone, undefined);
  const reports = world.attempts
    .filter(({ delivery }) => delivery.sender === "")
    .map(({ delivery, body }) => [delivery.recipients[0]?.address, /^Action: (.*)\r$/m.exec(body)?.[1]]);
  assert.deepEqual(reports.sort(), [
    ["alias-owner@here.test", "failed"],
    ["ann@far.test", "delivered"],
  ]);
});

test("the sender of a list with VERP is settled before it goes on, and bounces of bounces stay what they are", async (context) => {
  const rows = [
    ["list-@far.test-@[]", "list-alias=here.test@far.test"],
    ["", ""],
  ] as const;
  for (const [sender, wanted] of rows) {
    const here = await place(context);
    passOn(here, forwarded(["bob@here.test"]));
    await here.send({ ...toAlias(), sender });
    await here.world.until(() => here.queue.entries.size === 0, "the end");
    assert.equal(attemptFor(here, "bob@here.test")?.sender, wanted);
  }
  // a double bounce goes to the postmaster; when he forwards it in vain, nobody is told
  const here = await place(context);
  here.world.local = (_, address) =>
    address.startsWith("postmaster@") ? forwarded(["gone@here.test"]) : failed();
  await here.send({ recipients: [{ address: "no@here.test" }], sender: "" });
  await here.world.until(() => here.queue.entries.size === 0, "the end");
  assert.deepEqual(here.world.tried, ["no@here.test", "postmaster@mx.here.test", "gone@here.test"]);
});

test("letters that local cannot mean are deferred, and remote has none", async (context) => {
  const rows: readonly [what: string, outcome: Outcome][] = [
    ["nobody", forwarded([])],
    ["a line in an address", forwarded(["a@b.test\r\nRCPT TO:<x@y.test>"])],
    ["a line in the sender", forwarded(["a@b.test"], { sender: "a\r\n@b.test" })],
    ["no lines", forwarded(["a@b.test"], { prefix: "Delivered-To: x" })],
    ["a bare line feed", forwarded(["a@b.test"], { prefix: "Delivered-To: x\n" })],
    ["an empty line", forwarded(["a@b.test"], { prefix: "Delivered-To: x\r\n\r\n" })],
  ];
  for (const [what, outcome] of rows) {
    const here = await place(context);
    passOn(here, outcome);
    await here.send(toAlias());
    await here.world.until(() => here.world.lines.some((line) => line.includes("outcome=deferred")), what);
    assert.equal(here.queue.entries.size, 1, what);
  }
  const here = await place(context);
  here.world.remote = () => forwarded(["a@b.test"]);
  await here.send({ recipients: [{ address: "x@far.test" }] });
  await here.world.until(() => here.world.lines.some((line) => line.includes("outcome=deferred")), "remote");
  const refused = await place(context);
  passOn(refused, forwarded(["a@b.test"]));
  await refused.send({ ...toAlias(), rejected: true });
  await refused.world.until(
    () => refused.world.lines.some((line) => line.includes("outcome=deferred")),
    "a message that was refused",
  );
});

test("a message that an administrator removes meanwhile does not go on", async (context) => {
  const here = await place(context);
  const { world, queue } = here;
  const { promise, resolve } = Promise.withResolvers<void>();
  world.local = async () => {
    await promise;
    return forwarded(["bob@here.test"]);
  };
  await here.send(toAlias());
  await world.until(() => world.attempts.length === 1, "the attempt");
  const order = queue.control.find(({ verb }) => verb.kind === queueOrder.kind);
  await order?.run({ order: "remove", where: {} });
  assert.equal(queue.entries.size, 0);
  resolve();
  await world.until(() => world.lines.some((line) => line.includes("removed meanwhile")), "the outcome");
  await here.clock.advance(1000);
  assert.deepEqual(world.tried, ["alias@here.test"]);
});
