import assert from "node:assert/strict";
import test from "node:test";
import { findVirtual, parseList, parseNumber, parsePairs, parseValue } from "./control.ts";
import { parseInfo, parseTodo, parseWaiting } from "./messages.ts";

for (const [text, value] of [
  ["me.test\n", "me.test"],
  ["me.test  \t\nsecond\n", "me.test"],
  ["", ""],
  ["\nx", ""],
  [" x", " x"],
] as const)
  test(`parseValue() reads ${JSON.stringify(text)}`, () => assert.equal(parseValue(text), value));

for (const [text, value] of [
  ["120\n", 120],
  ["120x", 120],
  ["0", 0],
  ["x120", undefined],
  ["", undefined],
  ["-1", undefined],
] as const)
  test(`parseNumber() reads ${JSON.stringify(text)}`, () => assert.equal(parseNumber(text), value));

test("parseList() passes by blank lines and comments, and knows its lines", () => {
  assert.deepEqual(parseList("# a\nx.test \n\n y\nz"), [
    { line: 2, text: "x.test" },
    { line: 4, text: " y" },
    { line: 5, text: "z" },
  ]);
});

test("parsePairs() takes the last of equal keys, and no line without a colon", () => {
  assert.deepEqual(parsePairs("a:1\nA:2\nnothing\n:x:y\nb:\n"), [
    { line: 2, key: "a", value: "2" },
    { line: 4, key: "", value: "x:y" },
    { line: 5, key: "b", value: "" },
  ]);
});

const virtual = new Map([
  ["nowhere.mil", "joe-foo"],
  [".af.mil", "af"],
  ["x.af.mil", ""],
  ["ann@nowhere.mil", "ann"],
]);

for (const [address, prepend] of [
  ["info@nowhere.mil", "joe-foo"],
  ["Ann@NOWHERE.mil", "ann"],
  ["a@b.c.af.mil", "af"],
  ["a@x.af.mil", ""],
  ["a@af.mil", undefined],
  ["a@other.test", undefined],
] as const)
  test(`findVirtual() finds ${address}`, () => assert.equal(findVirtual(address, virtual), prepend));

test("findVirtual() falls back on the empty key", () => {
  assert.equal(findVirtual("a@b.c", new Map([["", "all"]])), "all");
});

const bytes = (text: string) => Buffer.from(text, "latin1");

test("the files of qmail's queue are read, and refused where they are cut off", () => {
  assert.deepEqual(parseInfo(bytes("Fa@b\0")), { ok: true, value: "a@b" });
  assert.deepEqual(parseInfo(bytes("F\0")), { ok: true, value: "" });
  for (const wrong of ["", "Fa@b", "Ta\0"]) assert.equal(parseInfo(bytes(wrong)).ok, false);
  assert.deepEqual(parseWaiting(bytes("Ta@b\0Dc@d\0T\xe4@f\0")), { ok: true, value: ["a@b", "\xe4@f"] });
  assert.deepEqual(parseWaiting(bytes("")), { ok: true, value: [] });
  for (const wrong of ["Ta", "Xa\0"]) assert.equal(parseWaiting(bytes(wrong)).ok, false);
  assert.deepEqual(parseTodo(bytes("u0\0p123\0Fa@b\0Tc@d\0Te\0")), {
    ok: true,
    value: { sender: "a@b", recipients: ["c@d", "e"] },
  });
  for (const wrong of ["u0\0p1\0", "u0\0p1\0Fa@b\0Tc", "zz\0Fa\0"])
    assert.equal(parseTodo(bytes(wrong)).ok, false);
});
