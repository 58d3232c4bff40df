import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { formatUtf8Address, formatXtext, parseUtf8Address, parseXtext } from "./xtext.ts";

test("parseXtext() decodes and refuses", () => {
  assert.equal(parseXtext("ann+40x.test"), "ann@x.test");
  assert.equal(parseXtext("a+2Bb+3Dc"), "a+b=c");
  assert.equal(parseXtext("+C3+A4"), "\u00e4");
  assert.equal(parseXtext("+C3"), "\ufffd");
  assert.equal(parseXtext(""), "");
  for (const text of ["a+4", "a+4g", "a+4a", "a=b", "a b", "\u00e4"])
    assert.equal(parseXtext(text), undefined, text);
});

test("RFC 6533 \u00a73: parseUtf8Address() decodes and refuses", () => {
  for (const [coded, address] of [
    ["ann@x.test", "ann@x.test"],
    ["\\x{E4}nn@x.test", "\u00e4nn@x.test"],
    ["\\x{5C}\\x{2B}\\x{3D}", "\\+="],
    ["\\x{1F600}@x.test", "\u{1f600}@x.test"],
    ["\u00e4nn@x.test", "\u00e4nn@x.test"],
  ] as const)
    assert.equal(parseUtf8Address(coded), address, coded);
  for (const coded of [
    "",
    "a b",
    "a+40b",
    "a=b",
    "a\\b",
    "\\x{e4}",
    "\\x{}",
    "\\x{4}",
    "\\x{0A}",
    "\\x{00}",
    "\\x{85}",
    "\\x{D800}",
    "\\x{FFFD}",
    "\\x{110000}",
    "\\x{10FFFF}",
    "\\x{0000E4}0\\x{1",
    "\u0085",
    "\ufffd",
  ])
    assert.equal(parseUtf8Address(coded), undefined, coded);
});

test("what is written as xtext or as an address in UTF-8 is read as it was", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const coded = formatXtext(text);
      assert.match(coded, /^[!-~]*$/);
      assert.equal(parseXtext(coded), Buffer.from(text).toString());
    }),
  );
  const address = fc.stringMatching(/^[ -~\u00a1-\u02af\u4e00-\u4e80]+$/u);
  fc.assert(
    fc.property(address, fc.boolean(), (text, unitext) => {
      const coded = formatUtf8Address(text, unitext);
      if (!unitext) assert.match(coded, /^[!-~]+$/);
      assert.doesNotMatch(coded, /[ \r\n]/);
      assert.equal(parseUtf8Address(coded), text);
    }),
  );
});
