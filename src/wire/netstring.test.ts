import assert from "node:assert/strict";
import test from "node:test";
import { everySplit } from "#test/support/everysplit.ts";
import { formatNetstring, LengthReader } from "./netstring.ts";

const rows: readonly (readonly [given: string, most: number, found: number | "flaw" | "more"])[] = [
  ["0:", 10, 0],
  ["1:", 10, 1],
  ["10:", 10, 10],
  ["11:", 10, "flaw"],
  ["2147483648:", 2 ** 32, 2 ** 31],
  ["9999999999:", 200_000_000, "flaw"],
  ["00:", 10, "flaw"],
  ["01:", 10, "flaw"],
  [":", 10, "flaw"],
  ["-1:", 10, "flaw"],
  [" 1:", 10, "flaw"],
  ["1 :", 10, "flaw"],
  ["1", 10, "more"],
  ["", 10, "more"],
  ["9".repeat(10_000), 200_000_000, "flaw"],
];

for (const [given, most, found] of rows) {
  test(`LengthReader reads ${given.slice(0, 20)}, at most ${most}`, () => {
    const bytes = Buffer.from(given.slice(0, 100));
    const result = everySplit(bytes, (chunks) => {
      const reader = new LengthReader();
      for (const chunk of chunks) {
        const head = reader.feed(chunk, 0, most);
        if (head.kind === "length") return head.length;
        if (head.kind === "flaw") return "flaw";
      }
      return "more";
    });
    assert.equal(result, found);
  });
}

test("LengthReader reads one length behind the other and says where the bytes begin", () => {
  const reader = new LengthReader();
  assert.deepEqual(reader.feed(Buffer.from("xx3:abc,"), 2, 9), { kind: "length", length: 3, end: 4 });
  assert.deepEqual(reader.feed(Buffer.from("0:,"), 0, 9), { kind: "length", length: 0, end: 2 });
});

test("formatNetstring() writes what LengthReader reads, in bytes", () => {
  assert.equal(formatNetstring("").toString(), "0:,");
  assert.equal(formatNetstring("hello ", Buffer.from("wörld")).toString(), "12:hello wörld,");
  const reader = new LengthReader();
  assert.deepEqual(reader.feed(formatNetstring("x".repeat(1234)), 0, 9999), {
    kind: "length",
    length: 1234,
    end: 5,
  });
});
