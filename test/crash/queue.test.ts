// The whole queue is stopped at every operation of its disk while it takes mail, delivers, defers and bounces; then it starts again
// and ends its work. Every acknowledged message must be delivered or reported, and a second delivery must say that it may be one.

import assert from "node:assert/strict";
import test from "node:test";
import type { Queue } from "#roles/queue/queue.ts";
import { openBody } from "#store/spool/source.ts";
import type { Delivered, Delivery } from "#talk/deliver.ts";
import type { InjectResult } from "#talk/inject.ts";
import { BrokenDisk } from "../support/brokendisk.ts";
import { FakeClock } from "../support/clock.ts";
import { openCrashQueue } from "../support/crashqueue.ts";
import { SEGMENT } from "../support/spool.ts";

const SEED = Number(process.env["CRASH_SEED"] ?? 20260202);

/** Everything outside the queue; it survives the crash. */
class Outside {
  /** How often each "id index" was delivered, as a Maildir would show without looking for earlier copies. */
  readonly delivered = new Map<string, number>();
  /** Bodies of bounces by the message they are about. */
  readonly bounces = new Map<string, Set<string>>();
  readonly acknowledged = new Map<string, readonly string[]>();
  readonly mistakes: string[] = [];

  /** Delivers, but for: "later" once deferred, "never" always failed. */
  async deliver(disk: BrokenDisk, delivery: Delivery): Promise<Delivered> {
    const source = await openBody(disk, "spool", delivery.place);
    const parts: Buffer[] = [];
    for await (const chunk of source.chunks()) parts.push(chunk);
    await source.close();
    const body = Buffer.concat(parts).toString();
    const outcomes = delivery.recipients.map(({ index, address }): Delivered["outcomes"][number] => {
      if (address.startsWith("never")) {
        return { index, outcome: { kind: "failed", why: { code: "5.1.1", text: "no" } } };
      }
      if (address.startsWith("later") && !delivery.again) {
        return { index, outcome: { kind: "deferred", why: { code: "4.2.0", text: "busy" } } };
      }
      this.#take(delivery, index, body);
      return { index, outcome: { kind: "delivered", by: "test" } };
    });
    return { outcomes };
  }

  #take(delivery: Delivery, index: number, body: string): void {
    const key = `${delivery.id} ${index}`;
    const before = this.delivered.get(key) ?? 0;
    if (before > 0 && !delivery.again) this.mistakes.push(`${key} came twice without a word`);
    this.delivered.set(key, before + 1);
    const about = /^Message: (\S+)/m.exec(body)?.[1] ?? "";
    if (delivery.sender !== "") return;
    const known = this.bounces.get(about) ?? new Set();
    this.bounces.set(about, known.add(delivery.id));
  }
}

const start = (outside: Outside, disk: BrokenDisk, clock: FakeClock): Promise<Queue> =>
  openCrashQueue({
    disk,
    clock,
    deliver: (delivery) => outside.deliver(disk, delivery),
    segmentSize: SEGMENT,
  });

async function send(queue: Queue, outside: Outside, letter: readonly [string, readonly string[], number]) {
  const [id, recipients, size] = letter;
  const envelope = {
    sender: "ann@x.test",
    recipients: recipients.map((address) => ({ address })),
    body: "7bit",
    submitted: false,
  } as const;
  const draft = queue.intake.begin({ id, session: "s", envelope });
  let result: InjectResult;
  if ("kind" in draft) result = draft;
  else {
    await draft.write(Buffer.from(`Message: ${id}\r\n\r\n`.padEnd(size, "x")));
    result = await draft.commit("");
  }
  if (result.kind === "queued") outside.acknowledged.set(id, recipients);
}

async function script(queue: Queue, outside: Outside, clock: FakeClock): Promise<void> {
  const prefix = queue.intake.prefix();
  const letters: [string, string[], number][] = [
    [`${prefix}-1`, ["a@x.test"], 500],
    [`${prefix}-2`, ["b@x.test", "never@x.test"], 500],
    [`${prefix}-3`, ["c@y.test", "later@x.test"], 9000],
    [`${prefix}-4`, ["never@x.test"], 20_000],
    [`${prefix}-5`, ["d@x.test"], 150_000],
  ];
  await Promise.all(letters.slice(0, 3).map((letter) => send(queue, outside, letter)));
  for (const letter of letters.slice(3)) await send(queue, outside, letter);
  await clock.advance(200);
  await Promise.all(
    Array.from({ length: 6 }, (_, n) => send(queue, outside, [`${prefix}-6${n}`, [`e${n}@x.test`], 15_000])),
  );
  await clock.advance(1_000_000);
}

function check(outside: Outside): void {
  assert.deepEqual(outside.mistakes, []);
  for (const [id, recipients] of outside.acknowledged) {
    recipients.forEach((address, index) => {
      const times = outside.delivered.get(`${id} ${index}`) ?? 0;
      if (!address.startsWith("never")) assert.ok(times > 0, `${id} never reached ${address}`);
    });
    const wanted = recipients.some((address) => address.startsWith("never")) ? 1 : 0;
    assert.equal(outside.bounces.get(id)?.size ?? 0, wanted, `bounces of ${id}`);
  }
  for (const [id, bounces] of outside.bounces) assert.ok(bounces.size <= 1, `bounces of ${id}`);
}

async function runUntil(at: number | undefined, chance: number): Promise<number> {
  const outside = new Outside();
  const disk = new BrokenDisk(SEED, at === undefined ? undefined : { at, kind: "stop" });
  const clock = new FakeClock();
  const first = start(outside, disk, clock).then((running) => script(running, outside, clock));
  await Promise.race([first, disk.whenStopped]);
  disk.stop();
  const left = disk.crash(SEED + (at ?? 0), chance);
  const later = new FakeClock(clock.now() + 5000);
  const queue = await start(outside, left, later);
  for (let wait = 0; wait < 20 && queue.entries.size > 0; wait++) await later.advance(1_000_000);
  assert.equal(queue.entries.size, 0, "something never ended");
  await queue.stop(0);
  check(outside);
  return disk.operations;
}

test("whatever operation the queue dies at, every acknowledged message is delivered or reported, and reported once", async () => {
  const operations = await runUntil(undefined, 0);
  assert.ok(operations >= 40, `only ${operations} operations`);
  for (let at = 1; at <= operations; at++) {
    for (const chance of [0, 0.5, 1]) {
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
