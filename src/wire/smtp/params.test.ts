import assert from "node:assert/strict";
import test from "node:test";
import { parseBody, parseParams, parsePriority, parseSize } from "./params.ts";

test("parseParams() reads keywords with and without values", () => {
  const rows: readonly (readonly [string, Record<string, string>])[] = [
    ["", {}],
    ["SIZE=1", { SIZE: "1" }],
    ["size=1 Body=8BITMIME  X-Y", { SIZE: "1", BODY: "8BITMIME", "X-Y": "" }],
    ["AUTH=<>", { AUTH: "<>" }],
    ["ORCPT=utf-8;\u00e4", { ORCPT: "utf-8;\u00e4" }],
  ];
  for (const [text, wanted] of rows) {
    const found = parseParams(text);
    assert.deepEqual(found.ok && Object.fromEntries(found.value), wanted, text);
  }
});

test("parseParams() refuses what is none", () => {
  for (const text of [
    "=1",
    "A=",
    "A==",
    "A=b=c",
    "-A=1",
    "A B=",
    "A=1 A=2",
    "a=1 A=2",
    "\u00c4=1",
    "A=\u0085",
    "A=1\t",
  ])
    assert.equal(parseParams(text).ok, false, JSON.stringify(text));
});

test("parseSize() takes up to 20 digits", () => {
  assert.equal(parseSize("0"), 0);
  assert.equal(parseSize("2147483648"), 2 ** 31);
  assert.equal(parseSize("4294967296"), 2 ** 32);
  assert.ok((parseSize("9".repeat(20)) ?? 0) > Number.MAX_SAFE_INTEGER);
  for (const text of ["", "-1", "1.5", "1e3", "0x10", "9".repeat(21)])
    assert.equal(parseSize(text), undefined);
});

test("parseBody() knows three bodies", () => {
  assert.equal(parseBody("7bit"), "7bit");
  assert.equal(parseBody("8BitMime"), "8bitmime");
  assert.equal(parseBody("BINARYMIME"), "binarymime");
  for (const text of ["", "8bit", "binary"]) assert.equal(parseBody(text), undefined);
});

test("parsePriority() takes \u22129 to 9", () => {
  for (const value of [-9, -1, 0, 1, 9]) assert.equal(parsePriority(String(value)), value);
  for (const text of ["", "10", "-10", "+1", "-0", "01", "1.0", "x"])
    assert.equal(parsePriority(text), undefined, text);
});
