import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import { integer, record, type Shaped } from "#base/shape.ts";
import type { Disk } from "#sys/disk.ts";
import { BrokenDisk, seeded } from "#test/support/brokendisk.ts";
import { FakeClock, settle } from "#test/support/clock.ts";
import { MemoryFile, type Recovered } from "./memory.ts";
import { formatHeader, HEADER, parseHeader, RecordReader, RecordWriter } from "./record.ts";
import { keyOf, Table } from "./table.ts";

const shape = record({ n: integer(), until: integer() });
type Value = Shaped<typeof shape>;
const FOREVER = Number.MAX_SAFE_INTEGER;
const value = (n: number, until = FOREVER): Value => ({ n, until });

const tableOf = (name = "t", most = 1000) =>
  new Table<Value>({ name, most, shape, ended: ({ until }, now) => until <= now });

interface Opened {
  readonly table: Table<Value>;
  readonly other: Table<Value>;
  readonly memory: MemoryFile;
  readonly recovered: Recovered;
  readonly told: string[];
}

async function open(disk: Disk, clock = new FakeClock(), changes?: number): Promise<Opened> {
  await disk.makeDirectory("ledger", 0o700);
  const [table, other] = [tableOf(), tableOf("u", 3)];
  const told: string[] = [];
  const { memory, recovered } = await MemoryFile.open({
    disk,
    directory: "ledger",
    clock,
    tables: [table, other],
    trouble: ({ message }) => told.push(message),
    ...(changes === undefined ? {} : { changes }),
  });
  return { table, other, memory, recovered, told };
}

const contents = (table: Table<Value>) =>
  Object.fromEntries([...table.all()].map(([key, { n }]) => [key, n] as const).sort());

test("a table forgets what was not used for longest, what has ended, and hashes long keys", () => {
  const table = tableOf("t", 3);
  for (const key of ["a", "b", "c"]) table.put(key, value(1));
  assert.ok(table.get("a", 0));
  table.put("d", value(2));
  assert.deepEqual(Object.keys(contents(table)), ["a", "c", "d"]);
  table.put("e", value(3, 10));
  assert.equal(table.get("e", 9)?.n, 3);
  assert.equal(table.get("e", 10), undefined);
  assert.equal(table.size, 2);
  const long = "x".repeat(limits.ledger.key + 1);
  table.put(long, value(4));
  assert.equal(table.get(long, 0)?.n, 4);
  assert.ok(keyOf(long).length < 60 && keyOf(long) !== keyOf(`${long}x`));
  assert.equal(table.remove(long), true);
  assert.equal(table.remove(long), false);
});

test("a flooded table stays within its bound, and so does what waits to be written", () => {
  const table = tableOf("t", 100);
  for (let n = 0; n < 10_000; n++) table.put(`${n}`, value(n));
  assert.equal(table.size, 100);
  assert.equal(table.dirty, 100);
});

test("what is in the tables is there after a stop, a kill and a crash; at most the last moment is missing", async () => {
  const clock = new FakeClock();
  const disk = new BrokenDisk();
  const first = await open(disk, clock);
  first.table.put("a", value(1));
  first.table.put("b", value(2));
  await clock.advance(limits.ledger.gather);
  first.table.remove("b");
  first.table.put("c", value(3));
  await first.memory.flush();
  first.table.put("d", value(4));
  for (const left of [disk.killed(1), disk.crash(2, 0.5), disk.crash(3, 0)]) {
    const { table, recovered } = await open(left);
    assert.deepEqual(contents(table), { a: 1, c: 3 });
    assert.equal(recovered.dropped, 0);
  }
  await first.memory.close();
  assert.deepEqual(contents((await open(disk)).table), { a: 1, c: 3, d: 4 });
});

test("changes that take too much room begin a new file, and only one is kept", async () => {
  const disk = new BrokenDisk();
  const { table, memory } = await open(disk, undefined, 2000);
  for (let n = 0; n < 50; n++) {
    table.put(`k${n % 20}`, value(n));
    await memory.flush();
  }
  const names = await disk.list("ledger");
  assert.equal(names.length, 1);
  assert.ok(Number(names[0]?.slice("memory.".length)) > 1);
  const { size = 0 } = (await disk.stat(`ledger/${names[0]}`)) ?? {};
  assert.ok(size < 2000 + 2 * 1500, `${size}`);
  const again = await open(disk);
  assert.deepEqual(contents(again.table), contents(table));
});

test("a disk that refuses is told once; what it refused is there when it takes things again", async () => {
  for (const only of ["write", "sync", "create", "rename"]) {
    const clock = new FakeClock();
    const disk = new BrokenDisk();
    const { table, memory, told } = await open(disk, clock, 200);
    disk.fault = { at: 1, kind: "ENOSPC", times: 3, only };
    for (let n = 0; n < 10; n++) {
      table.put(`k${n}`, value(n));
      await clock.advance(limits.ledger.retry);
      await settle();
    }
    assert.equal(told.length, 1, `${only}: ${told.join("; ")}`);
    await memory.flush();
    assert.deepEqual(contents((await open(disk.crash(1, 0))).table), contents(table), only);
  }
});

test("whatever operation a kill or a crash cuts off, the memory is one that was", async () => {
  const seed = Number(process.env["FUZZ_SEED"] ?? 7);
  for (let at = 1; at < 60; at++) {
    const disk = new BrokenDisk(seed + at, { at, kind: "stop" });
    let flushed: Record<string, number> = {};
    const states: Record<string, number>[] = [{}];
    const work = (async () => {
      const { table, memory } = await open(disk, new FakeClock(), 300);
      for (let n = 0; n < 12; n++) {
        table.put(`k${n % 5}`, value(n));
        states.push(contents(table));
        await memory.flush();
        flushed = contents(table);
      }
    })();
    await Promise.race([work, disk.whenStopped]);
    await settle();
    for (const left of [disk.killed(at), disk.crash(seed, 0.5), disk.crash(seed, 0)]) {
      const { table } = await open(left);
      const found = contents(table);
      const known = states.slice(states.findIndex((each) => same(each, flushed)));
      assert.ok(
        known.some((each) => same(each, found)),
        `seed ${seed}, operation ${at}: ${JSON.stringify(found)}`,
      );
    }
  }
});

const same = (a: object, b: object) => JSON.stringify(a) === JSON.stringify(b);

test("the reader of records never throws, and believes nothing behind damage", () => {
  const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 100_000);
  const random = seeded(seed);
  const writer = new RecordWriter(7);
  const entries = Array.from({ length: 20 }, (_, n) => ({ table: "t", key: `k${n}`, value: { n } }));
  const whole = Buffer.concat(entries.map((entry) => writer.format(entry)));
  for (let round = 0; round < 2000; round++) {
    const bytes = Buffer.from(whole.subarray(0, Math.floor(random() * (whole.length + 1))));
    const hits = Math.floor(random() * 3);
    let first = bytes.length;
    for (let hit = 0; hit < hits && bytes.length > 0; hit++) {
      const place = Math.floor(random() * bytes.length);
      bytes[place] = (bytes[place] ?? 0) ^ (1 + Math.floor(random() * 255));
      first = Math.min(first, place);
    }
    const reader = new RecordReader(7);
    const found: unknown[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + Math.floor(random() * 100);
      found.push(...reader.feed(bytes.subarray(at, at + length)));
      at += length;
    }
    assert.deepEqual(found, entries.slice(0, found.length), `seed ${seed}, round ${round}`);
    const before = Buffer.concat(entries.slice(0, found.length + 1).map((entry) => writer.format(entry)));
    assert.ok(found.length === entries.length || first < before.length, `seed ${seed}, round ${round}`);
  }
  const other = new RecordReader(8);
  assert.deepEqual(other.feed(whole), []);
  for (let round = 0; round < 500; round++) {
    const noise = Buffer.from(Array.from({ length: 60 }, () => Math.floor(random() * 256)));
    assert.deepEqual(new RecordReader(7).feed(noise), [], `seed ${seed}`);
    assert.equal(parseHeader(noise), undefined);
  }
  assert.equal(parseHeader(formatHeader(7)), 7);
});

test("a damaged record ends the file, and what was before it is kept; a damaged header leaves nothing", async () => {
  const disk = new BrokenDisk();
  const first = await open(disk);
  for (const key of ["a", "b", "c"]) {
    first.table.put(key, value(1));
    await first.memory.flush();
  }
  await first.memory.close();
  const [name = ""] = await disk.list("ledger");
  const torn = disk.crash(1, 1);
  torn.spoil(`ledger/${name}`, (content) => content.writeUInt8(0, content.length - 3));
  const { table, recovered } = await open(torn);
  assert.deepEqual(contents(table), { a: 1, b: 1 });
  assert.ok(recovered.dropped > 0);
  const headless = disk.crash(1, 1);
  headless.spoil(`ledger/${name}`, (content) => content.writeUInt8(0, HEADER - 1));
  assert.deepEqual(contents((await open(headless)).table), {});
});
