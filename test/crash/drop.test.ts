// Programs leave mail in the drop directory and the queue takes it, on a disk that is stopped at every operation: the power goes, or a
// sync fails. What ended with 0 must be delivered, and once (docs/drop.md S2–S4, D1–D4).

import assert from "node:assert/strict";
import test from "node:test";
import type { Queue } from "#roles/queue/queue.ts";
import { type DropHead, isDraftName } from "#store/drop/file.ts";
import { drop } from "#store/drop/places.ts";
import { writeDrop } from "#store/drop/write.ts";
import { openBody } from "#store/spool/source.ts";
import type { Delivered, Delivery } from "#talk/deliver.ts";
import { BrokenDisk, type Fault } from "../support/brokendisk.ts";
import { FakeClock } from "../support/clock.ts";
import { openCrashQueue } from "../support/crashqueue.ts";
import { SEGMENT } from "../support/spool.ts";

const SEED = Number(process.env["CRASH_SEED"] ?? 20260606);

/** Everything outside of the machine; it survives. */
class Outside {
  /** Programs that ended with 0, by the subject of their message. */
  readonly acknowledged = new Set<string>();
  /** Ids by subject. */
  readonly delivered = new Map<string, string[]>();
  readonly mistakes: string[] = [];

  async deliver(disk: BrokenDisk, delivery: Delivery): Promise<Delivered> {
    const source = await openBody(disk, "spool", delivery.place);
    const parts: Buffer[] = [];
    for await (const chunk of source.chunks()) parts.push(chunk);
    await source.close();
    const text = Buffer.concat(parts).toString();
    const subject = /^Subject: (.*)\r$/m.exec(text)?.[1] ?? "";
    if (!text.endsWith("\r\nend\r\n")) this.mistakes.push(`"${subject}" was cut short`);
    // D4: no delivery begins before the file is gone
    for (const name of await disk.list(drop.fresh))
      if (delivery.id.startsWith(`drop-${name}-`))
        this.mistakes.push(`${delivery.id} began with its file there`);
    const before = this.delivered.get(subject) ?? [];
    if (before.length > 0 && !delivery.again) this.mistakes.push(`"${subject}" came twice without a word`);
    if (before.some((id) => id !== delivery.id)) this.mistakes.push(`"${subject}" came under two ids`);
    this.delivered.set(subject, [...before, delivery.id]);
    return {
      outcomes: delivery.recipients.map(({ index }) => ({
        index,
        outcome: { kind: "delivered", by: "test" },
      })),
    };
  }
}

const start = (outside: Outside, disk: BrokenDisk, clock: FakeClock): Promise<Queue> =>
  openCrashQueue({
    disk,
    clock,
    deliver: (delivery) => outside.deliver(disk, delivery),
    segmentSize: SEGMENT,
    drops: true,
  });

const head: DropHead = { sender: "ann@x.test", body: "7bit", recipients: [{ address: "bob@x.test" }] };

/** A program that sends; what it cannot send it has told its user. */
async function send(outside: Outside, disk: BrokenDisk, subject: string, size: number): Promise<void> {
  const message = Buffer.from(`Subject: ${subject}\r\n\r\n${"x".repeat(size)}\r\nend\r\n`);
  try {
    await writeDrop(".", head, message, { disk });
    outside.acknowledged.add(subject);
  } catch {
    // ended with 75
  }
}

/** Two messages while no queue runs, then others while one does. */
async function script(outside: Outside, disk: BrokenDisk, clock: FakeClock): Promise<void> {
  await Promise.all([send(outside, disk, "one", 100), send(outside, disk, "two", 3000)]);
  await start(outside, disk, clock);
  await Promise.all([send(outside, disk, "three", 10), send(outside, disk, "four", 150_000)]);
  await clock.advance(31_000);
  await send(outside, disk, "five", 700);
  await clock.advance(31_000);
}

type After = (disk: BrokenDisk, seed: number) => BrokenDisk;

async function runUntil(fault: Fault | undefined, after: After): Promise<number> {
  const outside = new Outside();
  const disk = new BrokenDisk(SEED, fault);
  const clock = new FakeClock();
  // a queue whose start fails is started again by the supervisor, here after the crash
  const first = script(outside, disk, clock).catch(() => {});
  await Promise.race([first, disk.whenStopped]);
  disk.stop();
  const left = after(disk, SEED + (fault?.at ?? 0));
  const later = new FakeClock(clock.now() + 5000);
  const queue = await start(outside, left, later);
  for (let wait = 0; wait < 4; wait++) await later.advance(31_000);
  assert.equal(queue.entries.size, 0, "something never ended");
  await queue.stop(0);
  assert.deepEqual(outside.mistakes, []);
  for (const subject of outside.acknowledged)
    assert.ok((outside.delivered.get(subject) ?? []).length > 0, `"${subject}" never came`);
  assert.deepEqual(
    (await left.list(drop.fresh)).filter((name) => !isDraftName(name)),
    [],
    "a file stayed",
  );
  assert.deepEqual(await left.list(drop.aside), [], "what looked like a message was none");
  return disk.operations;
}

const afters: readonly (readonly [name: string, after: After])[] = [
  ["the power goes and nothing unsynced stays", (disk, seed) => disk.crash(seed, 0)],
  ["the power goes and half of what is unsynced stays", (disk, seed) => disk.crash(seed, 0.5)],
  ["the power goes and all that is unsynced stays", (disk, seed) => disk.crash(seed, 1)],
  ["the processes are killed", (disk, seed) => disk.killed(seed)],
  ["the processes are killed, and then the power goes", (disk, seed) => disk.killed(seed).crash(seed, 0.5)],
];

for (const [name, after] of afters) {
  test(`at every operation ${name}: what was taken is delivered, once`, async () => {
    const operations = await runUntil(undefined, after);
    assert.ok(operations >= 40, `only ${operations} operations`);
    for (let at = 1; at <= operations; at++) {
      await runUntil({ at, kind: "stop" }, after).catch((thrown: unknown) => {
        throw new Error(`stop at operation ${at} of ${operations}, CRASH_SEED=${SEED}`, { cause: thrown });
      });
    }
  });
}

test("whichever operation fails, a program that ended with 0 has its message delivered, once", async () => {
  const after: After = (disk, seed) => disk.crash(seed, 0.5);
  const operations = await runUntil(undefined, after);
  for (const kind of ["EIO", "ENOSPC"] as const) {
    for (let at = 1; at <= operations; at++) {
      await runUntil({ at, kind }, after).catch((thrown: unknown) => {
        throw new Error(`${kind} at operation ${at} of ${operations}, CRASH_SEED=${SEED}`, { cause: thrown });
      });
    }
  }
});
