import assert from "node:assert/strict";
import test from "node:test";
import { foldAddress, parseAddress, parsePath } from "./path.ts";

const label63 = "l".repeat(63);
const local64 = "a".repeat(64);
const domain189 = `${label63}.${label63}.${"d".repeat(61)}`;

const good: readonly (readonly [text: string, address: string, rest?: string])[] = [
  ["<ann@example.test>", "ann@example.test"],
  ["<Ann@Example.TEST>", "Ann@example.test"],
  ["<ann@example.test> SIZE=5 BODY=7BIT", "ann@example.test", "SIZE=5 BODY=7BIT"],
  ["<a.b+c=d/e@x.test>", "a.b+c=d/e@x.test"],
  ['<"ann"@x.test>', "ann@x.test"],
  ['<"a b"@x.test>', '"a b"@x.test'],
  ['<"a\\"b\\\\c"@x.test>', '"a\\"b\\\\c"@x.test'],
  ['<"a@b>"@x.test>', '"a@b>"@x.test'],
  ['<".a"@x.test>', '".a"@x.test'],
  ['<""@x.test>', '""@x.test'],
  ["<a@[192.0.2.1]>", "a@[192.0.2.1]"],
  ["<a@[IPv6:2001:DB8::1]>", "a@[ipv6:2001:db8::1]"],
  ["<@one.test,@two.test:ann@x.test>", "ann@x.test"],
  [`<${local64}@x.test>`, `${local64}@x.test`],
  [`<${local64}@${domain189}>`, `${local64}@${domain189}`],
  ["<a@localhost>", "a@localhost"],
];

for (const [text, address, rest = ""] of good) {
  test(`parsePath() takes ${text.slice(0, 60)}`, () => {
    const found = parsePath(text);
    assert.ok(found.ok, !found.ok ? found.error : "");
    assert.equal(found.value.mailbox?.address, address);
    assert.equal(found.value.rest, rest);
    // what we have made canonical stays as it is
    const again = parseAddress(address);
    assert.equal(again.ok && again.value.address, address);
  });
}

const bad: readonly (readonly [text: string, problem: string])[] = [
  ["", "syntax"],
  ["ann@x.test", "syntax"],
  ["<ann@x.test", "syntax"],
  ["<ann@x.test>SIZE=1", "syntax"],
  ["<ann>", "syntax"],
  ["<postmaster>", "syntax"],
  ["<ann@x.test@y.test>", "syntax"],
  ["<ann@>", "domain"],
  ["<@x.test>", "local"],
  ["<.a@x.test>", "local"],
  ["<a.@x.test>", "local"],
  ["<a..b@x.test>", "local"],
  ["< ann@x.test>", "local"],
  ["<a@x.test.>", "domain"],
  ["<a@.x.test>", "domain"],
  ["<a@-x.test>", "domain"],
  ["<a@x_y.test>", "syntax"],
  ["<a@[1.2.3]>", "domain"],
  ["<a@[1.2.3.256]>", "domain"],
  ["<a@[IPv6:::1:2:3:4:5:6:7]>", "domain"],
  ["<a@[x.test]>", "domain"],
  [`<${local64}a@x.test>`, "long"],
  [`<${local64}@${domain189}d>`, "long"],
  [`<a@${label63}l.test>`, "domain"],
  ["<änn@x.test>", "nonAscii"],
  ["<ann@bücher.test>", "nonAscii"],
  ["<ann\ufffd@x.test>", "nonAscii"],
  ["<@one..test:ann@x.test>", "domain"],
  ["<@[192.0.2.1]:ann@x.test>", "domain"],
  ["<a\tb@x.test>", "syntax"],
  ['<"a\nb"@x.test>', "local"],
];

for (const [text, problem] of bad) {
  test(`parsePath() refuses ${JSON.stringify(text).slice(0, 60)}`, () => {
    assert.deepEqual(parsePath(text), { ok: false, error: problem });
  });
}

test("parsePath() reads the null path", () => {
  assert.deepEqual(parsePath("<> SIZE=1"), {
    ok: true,
    value: { mailbox: undefined, ascii: true, rest: "SIZE=1" },
  });
});

test("parsePath() knows <Postmaster> without a domain where it is told to", () => {
  for (const text of ["<Postmaster>", "<POSTMASTER>", "<@a.test:postmaster>"]) {
    const found = parsePath(text, { postmaster: true });
    assert.equal(found.ok && found.value.mailbox?.address, "postmaster", text);
  }
  assert.equal(parsePath("<postmaster2>", { postmaster: true }).ok, false);
});

const international: readonly (readonly [text: string, address: string])[] = [
  ["<änn@x.test>", "änn@x.test"],
  ["<ann@bücher.test>", "ann@xn--bcher-kva.test"],
  ["<ANN@BÜCHER.test>", "ANN@xn--bcher-kva.test"],
  ["<用户@例え.test>", "用户@xn--r8jz45g.test"],
  ["<a\u0308nn@bu\u0308cher.test>", "a\u0308nn@xn--bcher-kva.test"],
  ["<ann@straße.test>", "ann@xn--strae-oqa.test"],
  ['<"ä b"@x.test>', '"ä b"@x.test'],
  ['<"ä"@x.test>', "ä@x.test"],
  ["<👩\u200d👧@x.test>", "👩\u200d👧@x.test"],
  ["<@bücher.test:ann@x.test>", "ann@x.test"],
  [`<${"ä".repeat(32)}@x.test>`, `${"ä".repeat(32)}@x.test`],
  ["<ann@x.test>", "ann@x.test"],
];

for (const [text, address] of international) {
  test(`RFC 6531 §3.3: parsePath() takes ${text} where it is told to`, () => {
    const found = parsePath(text, { utf8: true });
    assert.ok(found.ok, !found.ok ? found.error : "");
    assert.equal(found.value.mailbox?.address, address);
    assert.equal(found.value.ascii, /^[ -~]*$/.test(text));
    const again = parseAddress(address, { utf8: true });
    assert.equal(again.ok && again.value.address, address);
    if (!found.value.ascii) assert.deepEqual(parsePath(text), { ok: false, error: "nonAscii" });
  });
}

for (const [text, problem] of [
  ["<ann\ufffd@x.test>", "syntax"],
  ["<ann\u0085@x.test>", "syntax"],
  ["<ann\u2028@x.test>", "syntax"],
  ["<ann\u00a0@x.test>", "syntax"],
  ["<ann\ufeff@x.test>", "syntax"],
  ["<ann\u{10ffff}@x.test>", "syntax"],
  ['<"ä\n"@x.test>', "local"],
  ["<ann@☃.test>", "domain"],
  ["<ann@ｆｕｌｌ.test>", "domain"],
  ["<ann@bücher。test>", "domain"],
  ["<ann@①.test>", "domain"],
  ["<ann@-ä.test>", "domain"],
  ["<ann@ä-.test>", "domain"],
  ["<ann@ä..test>", "domain"],
  ["<ann@a\u200db.test>", "domain"],
  [`<ann@${"ä".repeat(60)}.test>`, "domain"],
  [`<${"ä".repeat(33)}@x.test>`, "long"],
  [`<ann@${"ä".repeat(128)}.test>`, "long"],
] as const) {
  test(`RFC 6531 §3.3: parsePath() refuses ${JSON.stringify(text).slice(0, 40)} as ${problem}`, () => {
    assert.deepEqual(parsePath(text, { utf8: true }), { ok: false, error: problem });
  });
}

test("a path in ASCII may have parameters beyond it; they are judged by themselves", () => {
  const found = parsePath("<ann@x.test> ORCPT=utf-8;ä");
  assert.deepEqual(found.ok && found.value.rest, "ORCPT=utf-8;ä");
});

test("foldAddress() makes one of what people take for one", () => {
  assert.equal(foldAddress("A\u0308NN@x.test"), "änn@x.test");
});
