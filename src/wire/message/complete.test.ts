import assert from "node:assert/strict";
import test from "node:test";
import { completeAddresses } from "./complete.ts";

const good: readonly (readonly [given: string, completed: string])[] = [
  ["", ""],
  ["root", "root@d.test"],
  ["root (Cron Daemon)", "root@d.test (Cron Daemon)"],
  ["Ann <ann>", "Ann <ann@d.test>"],
  ["ann@x.test", "ann@x.test"],
  ['"A, B" <ann>, bob@x.test, cyd', '"A, B" <ann@d.test>, bob@x.test, cyd@d.test'],
  ["ann,\n\tbob", "ann@d.test,\n\tbob@d.test"],
  ["friends: ann, Bob <bob@x.test>;", "friends: ann@d.test, Bob <bob@x.test>;"],
  ["undisclosed-recipients:;", "undisclosed-recipients:;"],
  ["<>", "<>"],
  ["<@one.test:ann@x.test>", "<@one.test:ann@x.test>"],
  ["a.b", "a.b@d.test"],
  ["a . b @ x.test", "a . b @ x.test"],
  ['"a b"', '"a b"@d.test'],
  ["ann@[192.0.2.1]", "ann@[192.0.2.1]"],
  ["A. N. Other <ann>", "A. N. Other <ann@d.test>"],
  ["ann (a (nested) one), ", "ann@d.test (a (nested) one), "],
];

for (const [given, completed] of good) {
  test(`completeAddresses() makes of ${JSON.stringify(given)} ${JSON.stringify(completed)}`, () => {
    assert.deepEqual(completeAddresses(given, "d.test"), { ok: true, value: completed });
    assert.deepEqual(completeAddresses(completed, "d.test"), { ok: true, value: completed });
  });
}

for (const given of ["ann bob", "<ann", "ann>", '"ann', "(ann", "<a> <b>", "[1", "]"]) {
  test(`completeAddresses() takes ${JSON.stringify(given)} for no list of addresses`, () => {
    assert.equal(completeAddresses(given, "d.test").ok, false);
  });
}
