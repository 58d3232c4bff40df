import assert from "node:assert/strict";
import test from "node:test";
import { BrokenDisk } from "#test/support/brokendisk.ts";
import { FakeClock } from "#test/support/clock.ts";
import { failed, QueueWorld } from "#test/support/queueworld.ts";

test("a message that was refused goes to local only, and nobody hears of it", async (context) => {
  const clock = new FakeClock();
  const world = new QueueWorld(context, new BrokenDisk(), clock);
  await world.serve();
  world.local = () => failed();
  const queue = await world.open();
  const injector = await world.injector(queue);
  const injection = await injector.begin("s", {
    sender: "ann@far.test",
    // the second domain is not ours any more
    recipients: [{ address: "bob@here.test", notify: ["failure", "success"] }, { address: "eve@gone.test" }],
    body: "8bitmime",
    submitted: false,
    requireTls: true,
    envid: "x",
    deliverBy: { time: clock.now() + 1000, mode: "return" },
  });
  injection.write(Buffer.from("Subject: x\r\n\r\nbody\r\n"));
  assert.equal((await injection.reject("X-Kenro-Refused: 550 no\r\n")).kind, "queued");
  await world.until(() => world.attempts.length >= 2 && queue.entries.size === 0, "its end");
  await clock.advance(60_000);
  assert.deepEqual(world.tried.toSorted(), ["bob@here.test", "eve@gone.test"], "and no bounce");
  for (const { to, delivery, body } of world.attempts) {
    assert.equal(to, "local");
    assert.deepEqual([delivery.rejected, delivery.sender, delivery.envid], [true, "ann@far.test", undefined]);
    assert.deepEqual(
      delivery.recipients.map(({ notify }) => notify),
      [[]],
    );
    assert.equal(body, "X-Kenro-Refused: 550 no\r\nSubject: x\r\n\r\nbody\r\n");
  }
  const stopping = queue.stop(1000);
  await clock.advance(1000);
  await stopping;
});
