// An administrator gives orders to a queue that is stopped at every operation of its disk. What was answered holds from then on, in
// this life and in the next (docs/queue.md Q13, O1–O4); and what nobody ordered anything about arrives.

import assert from "node:assert/strict";
import test from "node:test";
import type { Queue } from "#roles/queue/queue.ts";
import { openBody } from "#store/spool/source.ts";
import type { Verb } from "#talk/caller.ts";
import type { Delivered, Delivery } from "#talk/deliver.ts";
import { type Order, queueOrder, queueRetry, type Selection } from "#talk/queuecontrol.ts";
import { BrokenDisk } from "../support/brokendisk.ts";
import { FakeClock } from "../support/clock.ts";
import { openCrashQueue, recycled } from "../support/crashqueue.ts";

const SEED = Number(process.env["CRASH_SEED"] ?? 20260303);

/** So small that records of orders are recycled within the script. */
const SEGMENT = 32 * 1024;

/** Everything outside the queue; it survives the crash. */
class Outside {
  /** Mail to "stay…" is deferred until then. */
  calm = false;
  readonly taken = new Set<string>();
  readonly delivered = new Map<string, number>();
  /** Ids of the reports about each message; one may come twice, as any mail. */
  readonly reports = new Map<string, Set<string>>();
  /** The last order about a message that was answered. */
  readonly answered = new Map<string, Order>();
  /** Orders about which nobody knows. */
  readonly given = new Map<string, Order>();
  readonly mistakes: string[] = [];

  async deliver(disk: BrokenDisk, delivery: Delivery): Promise<Delivered> {
    const source = await openBody(disk, "spool", delivery.place);
    const parts: Buffer[] = [];
    for await (const chunk of source.chunks()) parts.push(chunk);
    await source.close();
    if (!this.given.has(delivery.id)) {
      const order = this.answered.get(delivery.id);
      if (order && order !== "release") this.mistakes.push(`${delivery.id} is tried after "${order}"`);
    }
    const outcomes = delivery.recipients.map(({ index, address }): Delivered["outcomes"][number] => {
      if (address.startsWith("stay") && !this.calm)
        return { index, outcome: { kind: "deferred", why: { code: "4.2.0", text: "busy" } } };
      this.#take(delivery, Buffer.concat(parts).toString());
      return { index, outcome: { kind: "delivered", by: "test" } };
    });
    return { outcomes };
  }

  #take({ id, sender }: Delivery, body: string): void {
    this.delivered.set(id, (this.delivered.get(id) ?? 0) + 1);
    if (sender !== "") return;
    const about = /^Message: (\S+)/m.exec(body)?.[1] ?? "";
    this.reports.set(about, (this.reports.get(about) ?? new Set()).add(id));
  }

  check(): void {
    assert.deepEqual(this.mistakes, []);
    for (const id of this.taken) {
      const [reached, reports] = [this.delivered.get(id) ?? 0, this.reports.get(id)?.size ?? 0];
      const order = this.answered.get(id);
      const what = `${id} after "${order}": delivered ${reached}, reported ${reports}`;
      if (order === "remove") assert.deepEqual([reached, reports], [0, 0], what);
      else if (order === "bounce") assert.deepEqual([reached, reports], [0, 1], what);
      else if (this.given.has(id)) assert.ok(reports <= 1 && !(reached > 0 && reports > 0), what);
      else assert.ok(reached >= 1 && reports === 0, what);
    }
  }
}

async function ask<Q, A>(queue: Queue, verb: Verb<Q, A>, question: Q): Promise<A> {
  const handled = queue.control.find((each) => each.verb.kind === verb.kind);
  return (await handled?.run(question)) as A;
}

const start = (outside: Outside, disk: BrokenDisk, clock: FakeClock): Promise<Queue> =>
  openCrashQueue({
    disk,
    clock,
    deliver: (delivery) => outside.deliver(disk, delivery),
    segmentSize: SEGMENT,
  });

async function send(queue: Queue, outside: Outside, [id, to, size]: readonly [string, string, number]) {
  const recipients = [{ address: `${to}@x.test` }];
  const envelope = { sender: "ann@x.test", recipients, body: "7bit", submitted: false } as const;
  const draft = queue.intake.begin({ id, session: "s", envelope });
  if ("kind" in draft) return;
  await draft.write(Buffer.from(`Message: ${id}\r\n\r\n`.padEnd(size, "x")));
  if ((await draft.commit("")).kind === "queued") outside.taken.add(id);
}

/** Lets time pass until something has happened. */
async function within<T>(clock: FakeClock, happening: Promise<T>): Promise<T> {
  let over = false;
  const end = () => {
    over = true;
  };
  happening.then(end, end);
  // on a disk that has stopped it never does
  for (let wait = 0; wait < 500 && !over; wait++) await clock.advance(10);
  return happening;
}

async function give(world: World, order: Order, ids: readonly string[]) {
  const { queue, outside, clock } = world;
  for (const id of ids) outside.given.set(id, order);
  const where: Selection = { ids };
  const { messages } = await within(clock, ask(queue, queueOrder, { order, where }));
  assert.equal(messages, ids.length, order);
  for (const id of ids) {
    outside.answered.set(id, order);
    outside.given.delete(id);
  }
}

interface World {
  readonly queue: Queue;
  readonly outside: Outside;
  readonly clock: FakeClock;
}

/** Mail that stays, orders about it, and so much other mail that segments are copied forward and used again. */
async function script(world: World): Promise<void> {
  const { queue, outside, clock } = world;
  const prefix = queue.intake.prefix();
  const id = (n: number) => `${prefix}-${n.toString(36)}`;
  let last = 20;
  const traffic = async (count: number) => {
    for (let n = 0; n < count; n++) await send(queue, outside, [id(++last), `u${last}`, 9000]);
    await clock.advance(60);
  };
  for (const n of [1, 2, 3, 4, 5, 6])
    await send(queue, outside, [id(n), `stay${n}`, n === 3 ? 150_000 : 700]);
  await clock.advance(200);
  await give(world, "hold", [id(1), id(2)]);
  await give(world, "remove", [id(3)]);
  await traffic(4);
  await give(world, "release", [id(2)]);
  await give(world, "bounce", [id(4)]);
  await traffic(8);
  await clock.advance(1_000_000);
  await give(world, "hold", [id(5)]);
  await give(world, "remove", [id(5)]);
  await traffic(8);
}

async function finish(queue: Queue, outside: Outside, clock: FakeClock): Promise<void> {
  outside.calm = true;
  for (let round = 0; round < 4; round++) {
    await ask(queue, queueRetry, { id: "" });
    await clock.advance(1_000_000);
  }
  const held = [...outside.answered].filter(([id, order]) => order === "hold" && !outside.given.has(id));
  for (const [id] of held) assert.equal(queue.entries.find(id)?.held, true, `${id} is not held any more`);
  for (const [id] of held) outside.answered.set(id, "release");
  await within(clock, ask(queue, queueOrder, { order: "release", where: {} }));
  for (let round = 0; round < 20 && queue.entries.size > 0; round++) await clock.advance(1_000_000);
  assert.equal(queue.entries.size, 0, "something never ended");
  await queue.stop(0);
}

async function runUntil(at: number | undefined, chance: number): Promise<number> {
  const outside = new Outside();
  const disk = new BrokenDisk(SEED, at === undefined ? undefined : { at, kind: "stop" });
  const clock = new FakeClock();
  const first = start(outside, disk, clock).then((running) => script({ queue: running, outside, clock }));
  await Promise.race([first, disk.whenStopped]);
  if (at === undefined)
    assert.ok(await recycled(disk), "the script is too short: no segment had a second life");
  disk.stop();
  const left = disk.crash(SEED + (at ?? 0), chance);
  const later = new FakeClock(clock.now() + 5000);
  await finish(await start(outside, left, later), outside, later);
  outside.check();
  return disk.operations;
}

test(`an order that was answered holds, wherever the queue stops (CRASH_SEED=${SEED})`, async () => {
  const operations = await runUntil(undefined, 0);
  assert.ok(operations >= 60, `only ${operations} operations`);
  for (let at = 1; at <= operations; at++) {
    for (const chance of [0, 1]) {
      try {
        await runUntil(at, chance);
      } catch (thrown) {
        throw new Error(`stop at operation ${at} of ${operations}, chance ${chance}, CRASH_SEED=${SEED}`, {
          cause: thrown,
        });
      }
    }
  }
});
