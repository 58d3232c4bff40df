import assert from "node:assert/strict";
import test from "node:test";
import { isListed, withoutPercent } from "./hosts.ts";

const hosts = new Set(["heaven.af.mil", ".af.mil", "x.test"]);

for (const [domain, listed] of [
  ["x.test", true],
  ["y.x.test", false],
  ["heaven.af.mil", true],
  ["a.af.mil", true],
  ["a.b.af.mil", true],
  ["af.mil", false],
  ["xaf.mil", false],
  ["test", false],
  ["", false],
] as const)
  test(`isListed() ${listed ? "finds" : "does not find"} ${domain || "nothing"}`, () =>
    assert.equal(isListed(domain, hosts), listed));

for (const [address, made] of [
  // a%b%c@d, with c and d listed (twice), and with b not
  ["a%b%c.test@d.test", "a@b"],
  ["a%b.test@c.test", "a@b.test"],
  ["a%b@C.TEST", "a@b"],
  ["a%c.test%c.test@c.test", "a@c.test"],
  ["a@c.test", "a@c.test"],
  ["a%x.test@elsewhere.test", "a%x.test@elsewhere.test"],
  ["%@c.test", "@"],
  ["a%b", "a%b"],
] as const)
  test(`withoutPercent() makes ${address} into ${made}`, () =>
    assert.equal(withoutPercent(address, new Set(["c.test", "d.test"])), made));

test("withoutPercent() changes nothing without domains", () => {
  assert.equal(withoutPercent("a%b@c.test", new Set()), "a%b@c.test");
});
