import assert from "node:assert/strict";
import test from "node:test";
import { parseChunk } from "./chunk.ts";

test("parseChunk() reads a size and LAST", () => {
  for (const [argument, octets, last, flawed] of [
    ["0", 0, false, false],
    ["1", 1, false, false],
    ["86 LAST", 86, true, false],
    ["86  last", 86, true, false],
    ["007", 7, false, false],
    ["2147483648", 2 ** 31, false, false],
    ["4294967296 LAST", 2 ** 32, true, false],
    [String(Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER, false, false],
    ["5 FIRST", 5, false, true],
    ["5 LAST LAST", 5, false, true],
    ["5 \u00e4", 5, false, true],
  ] as const)
    assert.deepEqual(parseChunk(argument), { octets, last, flawed }, argument);
});

test("parseChunk() knows when nobody can say how much follows", () => {
  for (const argument of [
    "",
    "LAST",
    "-1",
    "+1",
    "1.5",
    "1e3",
    "0x10",
    "5LAST",
    "\u0665",
    "9007199254740992",
    "9".repeat(21),
  ])
    assert.equal(parseChunk(argument), undefined, argument);
});
