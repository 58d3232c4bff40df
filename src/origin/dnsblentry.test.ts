import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { limits } from "#base/limits.ts";
import { anyText } from "#test/support/texts.ts";
import { codeFlaw, countsCode, parseListEntries, parseListEntry } from "./dnsblentry.ts";

type Row = [text: string, zone: string, of: "addresses" | "domains", weight: number, canary?: string];

const good: readonly Row[] = [
  ["zen.example.org", "zen.example.org", "addresses", 1],
  ["  ZEN.Example.org.  ", "zen.example.org", "addresses", 1],
  ["zen.example.org=127.0.0.2-11*3", "zen.example.org", "addresses", 3],
  ["zen.example.org=127.0.0.2,127.0.0.4-7*2", "zen.example.org", "addresses", 2],
  ["white.example.org=127.0.x.1-3*-2", "white.example.org", "addresses", -2],
  ["zen.example.org*1000", "zen.example.org", "addresses", 1000],
  ["zen.example.org*-1000", "zen.example.org", "addresses", -1000],
  ["domain:dbl.example.org=127.0.1.2-99*2", "dbl.example.org", "domains", 2],
  ["domain:m.example.org=127.0.0.&8 canary:listed.example", "m.example.org", "domains", 1, "listed.example"],
  ["own.example.org canary:none", "own.example.org", "addresses", 1, "none"],
  ["own.example.org*5   canary:192.0.2.1", "own.example.org", "addresses", 5, "192.0.2.1"],
  ["own.example.org canary:2001:db8::2", "own.example.org", "addresses", 1, "2001:db8::2"],
  ["bücher.example", "xn--bcher-kva.example", "addresses", 1],
];

for (const [text, zone, of, weight, canary] of good) {
  test(`parseListEntry() reads ${JSON.stringify(text)}`, () => {
    const read = parseListEntry(text);
    assert.ok(read.ok, JSON.stringify(read));
    const { value } = read;
    assert.deepEqual([value.zone, value.of, value.weight, value.canary], [zone, of, weight, canary]);
    assert.equal(value.text, text.trim());
  });
}

const long = `${"a".repeat(60)}.`.repeat(3);
const bad: readonly [text: string, problem: RegExp][] = [
  ["", /expected a list/],
  ["zen", /expected a list/],
  ["zen example.org", /expected a list/],
  ["zen..example.org", /expected a list/],
  ["127.0.0.1", /expected a list/],
  ["=127.0.0.2", /expected a list/],
  [`${long}abcdefg`, /expected a list/],
  ["uri:zen.example.org", /unknown kind of list "uri:"/],
  ["zen.example.org=", /return codes/],
  ["zen.example.org=127.0.0", /return codes/],
  ["zen.example.org=127.0.0.2.3", /return codes/],
  ["zen.example.org=127.0.0.256", /return codes/],
  ["zen.example.org=127.0.0.9-2", /return codes/],
  ["zen.example.org=127.0.0.2-300", /return codes/],
  ["zen.example.org=127.0.0.-", /return codes/],
  ["zen.example.org=127.0.0.&0", /return codes/],
  ["zen.example.org=127.0.0.&256", /return codes/],
  ["zen.example.org=127.0.0.2,", /return codes/],
  ["zen.example.org=127.0.0.2;3", /return codes/],
  ["zen.example.org=10.0.0.2", /outside 127/],
  ["zen.example.org=x.0.0.2", /outside 127/],
  ["zen.example.org=127.255.255.254", /refuse/],
  ["zen.example.org=127.0.0.1", /refuse/],
  ["zen.example.org*", /weight/],
  ["zen.example.org*0", /weight/],
  ["zen.example.org*1.5", /weight/],
  ["zen.example.org*1001", /weight/],
  ["zen.example.org*-1001", /weight/],
  ["zen.example.org*three", /weight/],
  ["zen.example.org*3=127.0.0.2", /weight/],
  ["zen.example.org canary:listed.example", /an address or "none" as canary/],
  ["domain:zen.example.org canary:192.0.2.1", /a domain or "none" as canary/],
  ["zen.example.org canary:", /nothing but "canary:…"/],
  ["zen.example.org nocheck", /nothing but "canary:…"/],
];

for (const [text, problem] of bad) {
  test(`parseListEntry() refuses ${JSON.stringify(text)}`, () => {
    const read = parseListEntry(text);
    assert.ok(!read.ok && problem.test(read.error), JSON.stringify(read));
    assert.doesNotMatch(read.error, /\n/);
  });
}

test("the longest zone has room for an IPv6 address", () => {
  const zone = `${long}abcdef`;
  assert.equal(zone.length, 253 - 64);
  assert.ok(parseListEntry(zone).ok);
});

test("a customer's key in a zone is asked for and not shown", () => {
  const key = "abcdefghij0123456789abcdef";
  const read = parseListEntry(`${key.toUpperCase()}.zen.example.net=127.0.0.2-11*3`);
  assert.ok(read.ok);
  assert.equal(read.value.zone, `${key}.zen.example.net`);
  assert.equal(read.value.shown, "KEY.zen.example.net");
  assert.equal(read.value.text, "KEY.zen.example.net=127.0.0.2-11*3");
});

const counts: readonly [codes: string, code: string, counted: boolean][] = [
  ["", "127.0.0.2", true],
  ["", "127.9.9.9", true],
  ["=127.0.0.2-11", "127.0.0.1", false],
  ["=127.0.0.2-11", "127.0.0.2", true],
  ["=127.0.0.2-11", "127.0.0.11", true],
  ["=127.0.0.2-11", "127.0.0.12", false],
  ["=127.0.0.2-11", "127.0.1.2", false],
  ["=127.0.0.x", "127.0.0.255", true],
  ["=127.0.x.1-3", "127.0.77.3", true],
  ["=127.0.x.1-3", "127.0.77.0", false],
  ["=127.0.0.2,127.0.0.9", "127.0.0.9", true],
  ["=127.0.0.2,127.0.0.9", "127.0.0.8", false],
  ["=127.0.0.&6", "127.0.0.4", true],
  ["=127.0.0.&6", "127.0.0.10", true],
  ["=127.0.0.&6", "127.0.0.9", false],
  ["", "no address", false],
];

test("countsCode() counts the codes of the entry", () => {
  for (const [codes, code, counted] of counts) {
    const read = parseListEntry(`zen.example.org${codes}`);
    assert.ok(read.ok);
    assert.equal(countsCode(read.value, code), counted, `${codes} ${code}`);
  }
});

test("codeFlaw() knows what is no listing", () => {
  for (const code of ["127.0.0.2", "127.0.0.255", "127.255.254.1", "127.0.1.255"])
    assert.equal(codeFlaw(code), undefined, code);
  for (const code of ["127.255.255.254", "127.255.255.252", "127.255.255.1", "127.0.0.1"])
    assert.match(codeFlaw(code) ?? "", /refuses our questions/, code);
  for (const code of ["203.0.113.9", "128.0.0.2", "126.255.255.255", "::1", "", "x"])
    assert.match(codeFlaw(code) ?? "", /no return code/, code);
});

test("parseListEntries() says everything that is wrong", () => {
  const read = parseListEntries(["a.example", "b.example*0", "a.example", "a.example*2 canary:none", "c"]);
  assert.ok(!read.ok);
  assert.equal(read.error.length, 4);
  assert.match(read.error.join(" "), /weight.*"a.example" is there twice.*one list.*expected a list/);
  const several = parseListEntries(["a.example=127.0.0.2*1", "a.example=127.0.0.3*2", "domain:a.example"]);
  assert.ok(several.ok && several.value.length === 3);
  const many = Array.from({ length: limits.dnsbl.lists + 1 }, (_, at) => `l${at}.example`);
  assert.ok(parseListEntries(many.slice(1)).ok);
  const tooMany = parseListEntries(many);
  assert.deepEqual(tooMany.ok || tooMany.error, [`expected at most ${limits.dnsbl.lists} lists`]);
});

test("parseListEntry() answers any text", () => {
  const piece = fc.constantFrom(
    "domain:",
    "zen.example.org",
    "=",
    "127.0.0.2",
    "-",
    "&",
    "x",
    "*",
    "3",
    " ",
    "canary:",
    ",",
    "none",
  );
  const texts = fc.oneof(
    anyText(),
    fc.array(piece, { maxLength: 12 }).map((all) => all.join("")),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const read = parseListEntry(text);
      if (!read.ok) return assert.ok(read.error.length > 0);
      // what was read means the same when it is read again
      assert.deepEqual(parseListEntry(read.value.text), read);
    }),
  );
});
