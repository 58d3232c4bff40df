// Two deaths: the queue is killed at an operation of a script, the next one goes on from what can be read, and then the power fails. What
// was read and never synced must not have been relied on (docs/queue.md Q12); what was acknowledged arrives or bounces, once.

import assert from "node:assert/strict";
import test from "node:test";
import { BrokenDisk, seeded } from "#test/support/brokendisk.ts";
import { recycled } from "#test/support/crashqueue.ts";
import { CrashWorld, script } from "#test/support/crashworld.ts";

const seed = Number(process.env["CRASH_SEED"] ?? 20_260_101);

/** Operations of the whole script, undisturbed. */
async function countOperations(): Promise<number> {
  const world = new CrashWorld(new BrokenDisk(seed));
  const life = await world.start();
  assert.ok(life);
  await script(world, life);
  assert.ok([...world.sent.values()].every(({ acknowledged }) => acknowledged));
  assert.ok(await recycled(world.disk), "the script is too short: no segment had a second life");
  const { operations } = world.disk;
  await world.finish(life);
  world.check();
  return operations;
}

/** kill -9 at operation `at`; the next life gets `later` operations, then the power fails and nothing unsynced survives. */
async function killedThenPowerFails(at: number, later: number): Promise<void> {
  const world = new CrashWorld(new BrokenDisk(seed + at, { at, kind: "stop" }));
  const first = await world.start();
  if (first) await script(world, first);
  world.crash(first, (disk) => disk.killed(seed));
  world.disk.fault = { at: later, kind: "stop" };
  world.calm = true;
  const second = await world.start();
  if (second) await script(world, second);
  world.crash(second, (disk) => disk.crash(seed, 0));
  const third = await world.start();
  assert.ok(third, "the queue does not start");
  await world.finish(third);
  world.check();
}

test(`every step may be the last before a kill, and the power may fail later (seed ${seed})`, async () => {
  const operations = await countOperations();
  const random = seeded(seed);
  // two lives and two deaths take their time: every second step, and with another seed the others
  for (let at = 1 + (seed % 2); at <= operations; at += 2) {
    const later = 1 + Math.floor(random() * 80);
    await killedThenPowerFails(at, later).catch((thrown: unknown) => {
      throw new Error(`Kill at operation ${at}, power off ${later} later, seed ${seed}`, { cause: thrown });
    });
  }
});
