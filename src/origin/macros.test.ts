import assert from "node:assert/strict";
import test from "node:test";
import { addressBytes } from "#base/network.ts";
import { parseMacros } from "#wire/records/spf.ts";
import { addressMacros, expandMacros, targetName, usesMacro } from "./macros.ts";

/** The example of RFC 7208 §7.4. */
const common = {
  s: "strong-bad@email.example.com",
  l: "strong-bad",
  o: "email.example.com",
  d: "email.example.com",
  h: "mail.example.com",
  p: "mx.example.org",
  r: "receiver.example",
  t: "1767225600",
};

function expand(
  text: string,
  address = "192.0.2.3",
  values: Partial<typeof common> = {},
): string | undefined {
  const macros = parseMacros(text, "explanation");
  const bytes = addressBytes(address);
  assert.ok(bytes);
  return macros && expandMacros(macros, { ...common, ...values, ...addressMacros(bytes) });
}

const rows: readonly [text: string, value: string, address?: string][] = [
  ["%{s}", "strong-bad@email.example.com"],
  ["%{o}", "email.example.com"],
  ["%{d}", "email.example.com"],
  ["%{d4}", "email.example.com"],
  ["%{d3}", "email.example.com"],
  ["%{d2}", "example.com"],
  ["%{d1}", "com"],
  ["%{dr}", "com.example.email"],
  ["%{d2r}", "example.email"],
  ["%{l}", "strong-bad"],
  ["%{l-}", "strong.bad"],
  ["%{lr}", "strong-bad"],
  ["%{lr-}", "bad.strong"],
  ["%{l1r-}", "strong"],
  ["%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"],
  ["%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"],
  ["%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"],
  ["%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"],
  ["%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"],
  [
    "%{ir}.%{v}._spf.%{d2}",
    "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com",
    "2001:db8::cb01",
  ],
  ["%{c} %{h} %{p} %{r} %{t}", "192.0.2.3 mail.example.com mx.example.org receiver.example 1767225600"],
  ["%{c}", "2001:db8::cb01", "2001:0DB8:0::CB01"],
  ["%{i} %{v}", "192.0.2.3 in-addr", "::ffff:192.0.2.3"],
  ["%{d999999999999999999999}", "email.example.com"],
  ["100%% sure%-%_", "100% sure%20 "],
  ["%{S}", "strong-bad%40email.example.com"],
  ["%{s@}", "undefined"],
];

test("macros stand for what RFC 7208 §7.4 says", () => {
  for (const [text, value, address] of rows) assert.equal(String(expand(text, address)), value, text);
});

test("any delimiter splits, and upper case escapes", () => {
  assert.equal(expand("%{l2+=}", undefined, { l: "a+b=c" }), "b.c");
  assert.equal(expand("%{lr.+,/_=-}", undefined, { l: "a.b+c,d/e_f=g-h" }), "h.g.f.e.d.c.b.a");
  assert.equal(
    expand("%{L}", undefined, { l: "a~b_c-d.e!'()*/ \u00e9\ud800" }),
    "a~b_c-d.e%21%27%28%29%2A%2F%20%C3%A9%EF%BF%BD",
  );
});

test("usesMacro() finds a letter in either case", () => {
  const macros = parseMacros("a.%{P}.%{d}") ?? [];
  assert.deepEqual(
    [usesMacro(macros, "p"), usesMacro(macros, "d"), usesMacro(macros, "s")],
    [true, true, false],
  );
});

const label = "a".repeat(63);
const names: readonly [expanded: string, name: string | undefined][] = [
  ["example.org", "example.org"],
  ["example.org.", "example.org"],
  ["a+b=c!.example.org", "a+b=c!.example.org"],
  [`${label}.org`, `${label}.org`],
  [`a${label}.org`, undefined],
  ["", undefined],
  [".", undefined],
  [".example.org", undefined],
  ["a..example.org", undefined],
  ["a b.example.org", undefined],
  ["caf\u00e9.example.org", undefined],
  ["a\r\n.example.org", undefined],
  // 253 characters fit
  [`${label}.${label}.${label}.${"b".repeat(61)}`, `${label}.${label}.${label}.${"b".repeat(61)}`],
  [`${label}.${label}.${label}.${"b".repeat(62)}`, `${label}.${label}.${"b".repeat(62)}`],
  [`x.${label}.${label}.${label}.${"b".repeat(61)}`, `${label}.${label}.${label}.${"b".repeat(61)}`],
  ["a".repeat(300), undefined],
];

test("targetName() makes names of what can be one, without labels on the left when it is too long", () => {
  for (const [expanded, name] of names) assert.equal(targetName(expanded), name, expanded);
});
