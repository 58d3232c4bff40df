import assert from "node:assert/strict";
import test from "node:test";
import { parseBody, parseParams, parseSize, parseXtext } from "./params.ts";

test("parseParams() reads keywords with and without values", () => {
  const rows: readonly (readonly [string, Record<string, string>])[] = [
    ["", {}],
    ["SIZE=1", { SIZE: "1" }],
    ["size=1 Body=8BITMIME  X-Y", { SIZE: "1", BODY: "8BITMIME", "X-Y": "" }],
    ["AUTH=<>", { AUTH: "<>" }],
  ];
  for (const [text, wanted] of rows) {
    const found = parseParams(text);
    assert.deepEqual(found.ok && Object.fromEntries(found.value), wanted, text);
  }
});

test("parseParams() refuses what is none", () => {
  for (const text of ["=1", "A=", "A==", "A=b=c", "-A=1", "A B=", "A=1 A=2", "a=1 A=2", "A=\u00e4", "A=1\t"])
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

test("parseBody() knows two bodies", () => {
  assert.equal(parseBody("7bit"), "7bit");
  assert.equal(parseBody("8BitMime"), "8bitmime");
  for (const text of ["", "BINARYMIME", "8bit"]) assert.equal(parseBody(text), undefined);
});

test("parseXtext() decodes and refuses", () => {
  assert.equal(parseXtext("ann+40x.test"), "ann@x.test");
  assert.equal(parseXtext("a+2Bb+3Dc"), "a+b=c");
  assert.equal(parseXtext(""), "");
  for (const text of ["a+4", "a+4g", "a+4a", "a=b", "a b", "\u00e4"])
    assert.equal(parseXtext(text), undefined, text);
});
