import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import { BrokenDisk } from "#test/support/brokendisk.ts";
import { FakeClock } from "#test/support/clock.ts";
import { SessionFiles, type SessionsKept, sessionLines } from "./sessions.ts";

const DAY = 86_400_000;

interface Place {
  readonly disk: BrokenDisk;
  readonly clock: FakeClock;
  readonly told: string[];
  readonly files: SessionFiles;
}

function place(keeping: SessionsKept, disk = new BrokenDisk(), clock = new FakeClock()): Place {
  const told: string[] = [];
  const trouble = ({ message }: Error) => void told.push(message);
  const files = new SessionFiles({ disk, directory: "s", clock, keeping, trouble, file: 100 });
  return { disk, clock, told, files };
}

async function linesIn(disk: BrokenDisk, first?: string): Promise<readonly string[]> {
  const all: string[] = [];
  for await (const { lines } of sessionLines(disk, "s", first)) all.unshift(...lines);
  return all;
}

test("lines are kept for so many days, in their order", async () => {
  const { disk, clock, files } = place({ days: 2, size: 1_000_000 });
  for (let day = 0; day < 4; day++) {
    files.add(`{"day":${day}}`);
    files.add(`{"day":${day},"again":1}`);
    await clock.advance(DAY);
  }
  files.add('{"day":4}');
  await files.close();
  assert.deepEqual(await linesIn(disk), ['{"day":3}', '{"day":3,"again":1}', '{"day":4}']);
  assert.deepEqual(await linesIn(disk, "2026-01-05"), ['{"day":4}']);
});

test("the files together have a bound", async () => {
  const { disk, clock, files } = place({ days: 100, size: 500 });
  for (let n = 0; n < 200; n++) {
    files.add(`{"n":${n}}`);
    await clock.advance(limits.ledger.gather);
  }
  await files.close();
  const names = await disk.list("s");
  assert.ok(names.length >= 3 && names.length <= 6, names.join(" "));
  assert.equal((await linesIn(disk)).at(-1), '{"n":199}');
});

test("half a line of a kill stays alone; the next start goes on in the same file", async () => {
  const first = place({ days: 2, size: 1000 });
  first.files.add('{"n":1}');
  await first.files.close();
  const [name = ""] = await first.disk.list("s");
  const file = await first.disk.open(`s/${name}`);
  await file.write([Buffer.from('{"n":')], await file.size());
  const again = place({ days: 2, size: 1000 }, first.disk, first.clock);
  again.files.add('{"n":2}');
  await again.files.close();
  assert.deepEqual(await linesIn(first.disk), ['{"n":1}', '{"n":', '{"n":2}']);
  assert.equal((await first.disk.list("s")).length, 1);
});

test("a disk that takes nothing stops nobody: lines wait, bounded, and what is lost is told", async () => {
  const { disk, clock, told, files } = place({ days: 2, size: 1000 });
  disk.fault = { at: 1, kind: "ENOSPC", times: 4 };
  const line = `"${"x".repeat(1000)}"`;
  for (let n = 0; n < 1500; n++) files.add(line);
  await clock.advance(60_000);
  await files.close();
  assert.equal(told.length, 2, told.join("; "));
  assert.match(told[1] ?? "", /^\d+ session records were lost/);
  const kept = (await linesIn(disk)).length;
  assert.ok(kept > 900 && kept < 1100, `${kept}`);
});
