import assert from "node:assert/strict";
import test from "node:test";
import { parseEnvid, parseNotify, parseOriginal, parseRet } from "./dsnparams.ts";

test("parseRet() knows two", () => {
  assert.equal(parseRet("full"), "full");
  assert.equal(parseRet("HDRS"), "headers");
  for (const text of ["", "HEADERS", "constructor", "FULL,HDRS"]) assert.equal(parseRet(text), undefined);
});

test("parseEnvid() takes 1 to 100 printable characters", () => {
  assert.equal(parseEnvid("QQ314159"), "QQ314159");
  assert.equal(parseEnvid("a+20b+3Dc+2Bd"), "a b=c+d");
  assert.equal(parseEnvid("x".repeat(100)), "x".repeat(100));
  for (const text of ["", "x".repeat(101), "a+0Ab", "a+00", "a+C3+A4", "a=b", "a+4"])
    assert.equal(parseEnvid(text), undefined, text);
});

test("parseNotify() takes NEVER alone or each of the others once", () => {
  assert.deepEqual(parseNotify("never"), []);
  assert.deepEqual(parseNotify("Success"), ["success"]);
  assert.deepEqual(parseNotify("DELAY,FAILURE,SUCCESS"), ["delay", "failure", "success"]);
  for (const text of [
    "",
    "NEVER,SUCCESS",
    "SUCCESS,NEVER",
    "SUCCESS,SUCCESS",
    "SUCCESS,",
    ",",
    "ALWAYS",
    "toString",
    "SUCCESS FAILURE",
  ])
    assert.equal(parseNotify(text), undefined, text);
});

test("parseOriginal() decodes by the type of the address", () => {
  for (const [value, wanted] of [
    ["rfc822;ann@x.test", "rfc822;ann@x.test"],
    ["RFC822;ann+2Bb@x.test", "rfc822;ann+b@x.test"],
    ["x400;/S=a+20b/", undefined],
    ["x400;/S+3Da+20b/", "x400;/S=a b/"],
    ["utf-8;\\x{E4}nn@x.test", "utf-8;\u00e4nn@x.test"],
    ["utf-8;ann@x.test", "utf-8;ann@x.test"],
    ["utf-8;\u00e4nn@x.test", undefined],
    ["rfc822;", undefined],
    [";ann@x.test", undefined],
    ["rfc822", undefined],
    ["a b;c", undefined],
    ["rfc822;a+00b", undefined],
    ["rfc822;a+0D+0Ab", undefined],
    ["rfc822;+C3+A4", undefined],
    ["rfc822;\u00e4", undefined],
    [`rfc822;${"x".repeat(493)}`, `rfc822;${"x".repeat(493)}`],
    [`rfc822;${"x".repeat(494)}`, undefined],
  ] as const)
    assert.equal(parseOriginal(value, false), wanted, value);
  assert.equal(parseOriginal("utf-8;\u00e4nn@x.test", true), "utf-8;\u00e4nn@x.test");
  assert.equal(parseOriginal("rfc822;\u00e4nn@x.test", true), undefined);
});
