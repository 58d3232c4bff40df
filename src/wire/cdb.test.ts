import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { limits } from "#base/limits.ts";
import {
  type CdbAnswer,
  type CdbRecord,
  type CdbSource,
  CdbWriter,
  cdbHash,
  findInBytes,
  findInSource,
  inspectCdb,
} from "./cdb.ts";

const parameters = {
  seed: Number(process.env["FUZZ_SEED"] ?? 20_260_101),
  numRuns: Number(process.env["FUZZ_ITERATIONS"] ?? 200),
};

type Entry = readonly [key: string, data: string];

function made(entries: readonly Entry[]): Buffer {
  const writer = new CdbWriter();
  for (const [key, data] of entries) assert.ok(writer.add(Buffer.from(key), Buffer.from(data)) !== undefined);
  return writer.finish();
}

/** A file in which whatever is read is counted. */
function source(bytes: Buffer): CdbSource & { largest: number; read: CdbSource["read"] } {
  return {
    size: bytes.length,
    largest: 0,
    async read(position, length) {
      this.largest = Math.max(this.largest, length);
      assert.ok(position >= 0 && position + length <= this.size, "a look-up stays within the file");
      return Buffer.from(bytes.subarray(position, position + length));
    },
  };
}

/** The same key looked up both ways. */
async function find(bytes: Buffer, key: string): Promise<CdbAnswer> {
  const answer = findInBytes(bytes, Buffer.from(key));
  assert.deepEqual(await findInSource(source(bytes), Buffer.from(key)), answer);
  return answer;
}

const dataOf = (answer: CdbAnswer): string =>
  answer.kind === "found" ? answer.data.toString() : `(${answer.kind})`;

/** What is damaged, with the records seen. */
function inspected(bytes: Buffer): {
  readonly flaw: string | undefined;
  readonly records: readonly CdbRecord[];
} {
  const records: CdbRecord[] = [];
  const flaw = inspectCdb(bytes, (record) => records.push(record));
  return { flaw, records };
}

test("cdbHash() is DJB's", () => {
  for (const [key, hash, table, first] of [
    ["", 5381, 5, 21],
    ["a", 177_604, 196, 693],
    ["127.0.0.1", 0x5478_120e, 14, 5_535_762],
    ["=.example.com", 0xed72_d6d1, 209, 15_561_430],
    ["1.2.3.", 0xe2cc_079b, 155, 14_863_367],
  ] as const)
    assert.deepEqual(
      [cdbHash(Buffer.from(key)), cdbHash(Buffer.from(key)) % 256, cdbHash(Buffer.from(key)) >>> 8],
      [hash, table, first],
      key,
    );
});

test("an empty cdb is its header, and nothing is in it", async () => {
  const bytes = made([]);
  assert.equal(bytes.length, 2048);
  for (let table = 0; table < 256; table++)
    assert.deepEqual([bytes.readUInt32LE(table * 8), bytes.readUInt32LE(table * 8 + 4)], [2048, 0]);
  assert.deepEqual(await find(bytes, ""), { kind: "none" });
  assert.deepEqual(inspected(bytes), { flaw: undefined, records: [] });
});

test("one record has the layout of the format", () => {
  const bytes = made([["a", "xyz"]]);
  const tables = 2048 + 8 + 1 + 3;
  assert.equal(bytes.length, tables + 2 * 8);
  assert.equal(bytes.subarray(2048, tables).toString("hex"), "0100000003000000" + "61" + "78797a");
  assert.deepEqual([bytes.readUInt32LE(196 * 8), bytes.readUInt32LE(196 * 8 + 4)], [tables, 2]);
  assert.deepEqual([bytes.readUInt32LE(197 * 8), bytes.readUInt32LE(197 * 8 + 4)], [tables + 16, 0]);
  // 693 mod 2 slots
  assert.equal(bytes.subarray(tables).toString("hex"), "0000000000000000" + "c4b50200" + "00080000");
});

test("of records with one key the first is found; empty keys and data are as good as others", async () => {
  const bytes = made([
    ["a", "1"],
    ["", "nothing"],
    ["a", "2"],
    ["b", ""],
    ["", "more"],
  ]);
  assert.equal(dataOf(await find(bytes, "a")), "1");
  assert.equal(dataOf(await find(bytes, "")), "nothing");
  assert.equal(dataOf(await find(bytes, "b")), "");
  assert.equal(dataOf(await find(bytes, "c")), "(none)");
  assert.equal(inspected(bytes).flaw, undefined);
});

test("every record that was written is found, and no other", async () => {
  const key = fc.oneof(fc.uint8Array({ maxLength: 3 }), fc.uint8Array({ maxLength: 40 }));
  const records = fc.array(fc.tuple(key, fc.uint8Array({ maxLength: 20 })), { maxLength: 300 });
  await fc.assert(
    fc.asyncProperty(records, key, async (written, other) => {
      const writer = new CdbWriter();
      for (const each of written) writer.add(...each);
      const bytes = writer.finish();
      const first = new Map(
        written.toReversed().map(([k, d]) => [Buffer.from(k).toString("hex"), d] as const),
      );
      for (const wanted of [...written.map(([k]) => k), other]) {
        const answer = await findInSource(source(bytes), Buffer.from(wanted));
        assert.deepEqual(findInBytes(bytes, Buffer.from(wanted)), answer);
        const expected = first.get(Buffer.from(wanted).toString("hex"));
        if (expected === undefined) assert.equal(answer.kind, "none");
        else assert.ok(answer.kind === "found" && answer.data.equals(expected));
      }
      const { flaw, records: seen } = inspected(bytes);
      assert.equal(flaw, undefined);
      assert.deepEqual(
        seen.map(({ key: k, data }) => [k.toString("hex"), data.toString("hex")]),
        written.map(([k, d]) => [Buffer.from(k).toString("hex"), Buffer.from(d).toString("hex")]),
      );
    }),
    parameters,
  );
});

test("a writer refuses what would make the file too long, and keeps the rest", async () => {
  const one = 8 + 1 + 1 + 16;
  const writer = new CdbWriter(2048 + one);
  assert.equal(writer.add(Buffer.from("a"), Buffer.from("xx")), undefined);
  assert.equal(writer.add(Buffer.from("a"), Buffer.from("x")), 2048);
  assert.equal(writer.add(Buffer.alloc(0), Buffer.alloc(0)), undefined);
  const bytes = writer.finish();
  assert.equal(bytes.length, 2048 + one);
  assert.equal(dataOf(await find(bytes, "a")), "x");
});

test("damage is said, and never reaches out of the file", async () => {
  const whole = made([["key", "data"]]);
  const table = cdbHash(Buffer.from("key")) % 256;
  const patched = (at: number, value: number) => {
    const bytes = Buffer.from(whole);
    bytes.writeUInt32LE(value, at);
    return bytes;
  };
  const slot = 2048 + 15 + 8 * (((cdbHash(Buffer.from("key")) >>> 8) % 2) | 0);
  for (const [name, bytes] of [
    ["empty", Buffer.alloc(0)],
    ["a header cut off", whole.subarray(0, 2047)],
    ["a table in the header", patched(table * 8, 2040)],
    ["a table behind the end", patched(table * 8, 0xffff_fff8)],
    ["too many slots", patched(table * 8 + 4, 0xffff_ffff)],
    ["a record in the header", patched(slot + 4, 8)],
    ["a record behind the end", patched(slot + 4, 0xffff_ffff)],
    ["a key behind the end", patched(2048, 0xffff_ffff)],
    ["data behind the end", patched(2052, 0xffff_ffff)],
    ["its last byte cut off", whole.subarray(0, -1)],
  ] as const) {
    assert.equal((await find(bytes, "key")).kind, "damaged", name);
    assert.ok(inspected(bytes).flaw, name);
  }
  for (const [name, bytes] of [
    ["another hash in the slot", patched(slot, 1)],
    ["another hash of the same table", patched(slot, cdbHash(Buffer.from("key")) + 0x200)],
    ["no slot", patched(slot + 4, 0)],
    ["another table", patched(table * 8 + 4, 0)],
  ] as const) {
    assert.equal((await find(bytes, "key")).kind, "none", name);
    assert.ok(inspected(bytes).flaw, name);
  }
});

test("tables that lie upon each other are damage, and cost no time", () => {
  const bytes = Buffer.alloc(2048 + 64 * 1024);
  for (let table = 0; table < 256; table++) {
    bytes.writeUInt32LE(2048, table * 8);
    bytes.writeUInt32LE(8 * 1024, table * 8 + 4);
  }
  assert.match(inspected(bytes).flaw ?? "", /upon each other/);
});

test("inspectCdb() sees records that look-ups pass by or see twice", () => {
  const bytes = made([
    ["a", "1"],
    ["a", "2"],
  ]);
  const [table, slots] = [bytes.readUInt32LE(196 * 8), bytes.readUInt32LE(196 * 8 + 4)];
  assert.equal(slots, 4);
  const slotOf = (n: number) => bytes.subarray(table + n * 8, table + n * 8 + 8);
  // 693 mod 4: the two lie in slots 1 and 2
  const moved = Buffer.from(bytes);
  slotOf(2).copy(moved, table + 3 * 8);
  moved.fill(0, table + 2 * 8, table + 3 * 8);
  assert.match(inspected(moved).flaw ?? "", /cannot be found/);
  const doubled = Buffer.from(bytes);
  slotOf(1).copy(doubled, table + 2 * 8);
  assert.match(inspected(doubled).flaw ?? "", /no record begins/);
  const round = Buffer.from(bytes);
  slotOf(1).copy(round, table);
  assert.match(inspected(round).flaw ?? "", /cannot be found/);
  // one slot too far: its own is empty
  const single = made([["a", "1"]]);
  const first = single.readUInt32LE(196 * 8);
  single.copyWithin(first, first + 8, first + 16).fill(0, first + 8);
  assert.match(inspected(single).flaw ?? "", /cannot be found/);
});

test("no change of a few bytes makes a look-up throw, hang or read outside", async () => {
  const keys = Array.from({ length: 40 }, (_, n) => `${n % 7}.${n}`);
  const whole = made(keys.map((key) => [key, key]));
  const places = fc.oneof(
    fc.nat(whole.length - 1),
    fc.constantFrom(...keys.map((key) => (cdbHash(Buffer.from(key)) % 256) * 8)),
  );
  const change = fc.tuple(places, fc.nat(255));
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 8 }), fc.nat(whole.length), async (changes, end) => {
      const bytes = Buffer.from(whole.subarray(0, end < 2048 ? whole.length : end));
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      const { flaw } = inspected(bytes);
      for (const key of keys) {
        const answer = await find(bytes, key);
        if (flaw === undefined && answer.kind === "damaged") assert.fail(`not seen: ${answer.why}`);
      }
    }),
    { ...parameters, numRuns: parameters.numRuns * 2 },
  );
});

test("garbage is damaged or empty, never an exception", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 2000, maxLength: 4096 }), async (garbage) => {
      const answer = await find(Buffer.from(garbage), "key");
      assert.notEqual(answer.kind, "found");
      inspected(Buffer.from(garbage));
    }),
    { ...parameters, numRuns: 50 },
  );
});

test("a cdb in a file is read in small parts, whatever it claims", async () => {
  const data = "x".repeat(limits.cdb.data + 1);
  const bytes = made([
    ["large", data],
    ["fits", data.slice(1)],
    ["small", "y"],
  ]);
  assert.equal(dataOf(await findInSource(source(bytes), Buffer.from("fits"))).length, limits.cdb.data);
  assert.equal((await findInSource(source(bytes), Buffer.from("large"))).kind, "damaged");
  const small = source(bytes);
  assert.equal(dataOf(await findInSource(small, Buffer.from("small"))), "y");
  assert.ok(small.largest <= 64, `${small.largest} bytes at once`);
  // one key very often: its table is long, and another key has to pass through it
  const crowd = source(made(Array.from({ length: 20_000 }, () => ["a", ""] as const)));
  const beside = Array.from({ length: 1000 }, (_, n) => `k${n}`).filter(
    (key) => cdbHash(Buffer.from(key)) % 256 === 196,
  );
  for (const key of beside) assert.equal((await findInSource(crowd, Buffer.from(key))).kind, "none");
  assert.ok(crowd.largest <= limits.cdb.slots * 8);
});

test("a file that shrinks while it is read is damaged", async () => {
  const bytes = made([["key", "data"]]);
  const shrunk: CdbSource = {
    size: bytes.length,
    read: async (position, length) => bytes.subarray(0, 2050).subarray(position, position + length),
  };
  assert.equal((await findInSource(shrunk, Buffer.from("key"))).kind, "damaged");
});

test("100,000 records with one key are written and read in bounded time", () => {
  const begin = performance.now();
  const bytes = made(Array.from({ length: 100_000 }, (_, n) => ["same", String(n)] as const));
  assert.equal(dataOf(findInBytes(bytes, Buffer.from("same"))), "0");
  assert.equal(inspected(bytes).flaw, undefined);
  assert.ok(performance.now() - begin < 10_000, `${performance.now() - begin} ms`);
});
