import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { anyText } from "#test/support/texts.ts";
import { isSpf, type MacroString, parseMacros, parseSpf } from "./spf.ts";

const spf: readonly [text: string, is: boolean][] = [
  ["v=spf1", true],
  ["v=spf1 ", true],
  ["V=SPF1 -all", true],
  ["v=spf1 rubbish", true],
  ["v=spf10", false],
  ["v=spf1-all", false],
  ["v=spf1\t-all", false],
  [" v=spf1 -all", false],
  ["", false],
];

test("isSpf() looks at the first word only", () => {
  for (const [text, is] of spf) assert.equal(isSpf(text), is, JSON.stringify(text));
});

/** Macro-strings as they were written, without telling `%%` from "%". */
const written = (macros: MacroString | undefined): string | undefined =>
  macros
    ?.map((part) => {
      if (typeof part === "string") return part;
      const { letter, escaped, keep, reversed, delimiters } = part;
      const name = escaped ? letter.toUpperCase() : letter;
      return `%{${name}${Number.isFinite(keep) ? keep : ""}${reversed ? "r" : ""}${delimiters === "." ? "" : delimiters}}`;
    })
    .join("");

/** Directives one by one, in one line each. */
function read(terms: string): string {
  const record = parseSpf(`v=spf1 ${terms}`);
  if (!record.ok) return record.error;
  const { directives, redirect, exp } = record.value;
  const shown = directives.map(({ qualifier, mechanism }) => {
    const { kind } = mechanism;
    if (kind === "all") return `${qualifier}all`;
    if (kind === "ip") return `${qualifier}${mechanism.network.toString("hex")}/${mechanism.bits}`;
    const domain = `${qualifier}${kind} ${written(mechanism.domain) ?? "."}`;
    return kind === "a" || kind === "mx" ? `${domain} ${mechanism.bits4} ${mechanism.bits6}` : domain;
  });
  if (redirect) shown.push(`redirect ${written(redirect)}`);
  if (exp) shown.push(`exp ${written(exp)}`);
  return shown.join(", ");
}

const rows: readonly [terms: string, record: string][] = [
  ["", ""],
  ["   -all  ", "-all"],
  ["all +all -ALL ~all ?All", "+all, +all, -all, ~all, ?all"],
  ["a mx ptr", "+a . 32 128, +mx . 32 128, +ptr ."],
  ["a/24 mx//64 a/0//0 mx/32//128", "+a . 24 128, +mx . 32 64, +a . 0 0, +mx . 32 128"],
  ["a:example.org mx:example.org/24", "+a example.org 32 128, +mx example.org 24 128"],
  ["a:example.org. a:%{l/}/24//48", "+a example.org. 32 128, +a %{l/} 24 48"],
  ["include:_spf.example.org exists:%{ir}.x.%{d2}", "+include _spf.example.org, +exists %{ir}.x.%{d2}"],
  ["?ptr:example.org", "?ptr example.org"],
  ["ip4:192.0.2.1 ip4:192.0.2.0/24 ip4:0.0.0.0/0", "+c0000201/32, +c0000200/24, +00000000/0"],
  ["ip6:2001:db8::/32", "+20010db8000000000000000000000000/32"],
  ["ip6:::1", "+00000000000000000000000000000001/128"],
  ["ip6:::ffff:192.0.2.1/96", "+00000000000000000000ffffc0000201/96"],
  ["redirect=example.org", "redirect example.org"],
  ["exp=e.example.org -all unknown=%{d} x.y-z_1=", "-all, exp e.example.org"],
  ["REDIRECT=%{d}.example.org", "redirect %{d}.example.org"],
  ["a:x.%{D3r-+}", "+a x.%{D3r-+} 32 128"],
  ["a:x.x--y a:x.1a a:x.a1", "+a x.x--y 32 128, +a x.1a 32 128, +a x.a1 32 128"],
  // RFC 7208 §7.1: what is no macro stands for itself
  ["exists:a%%b%_c%-d.example.org", "+exists a%b c%20d.example.org"],
];

for (const [terms, record] of rows) {
  test(`parseSpf() reads ${JSON.stringify(terms)}`, () => assert.equal(read(terms), record));
}

const bad: readonly [terms: string, problem: string][] = [
  ["foo", 'unknown mechanism in "foo"'],
  ["-", 'unknown mechanism in "-"'],
  ["--all", 'unknown mechanism in "--all"'],
  ["ip5:1", 'unknown mechanism in "ip5:1"'],
  ["all:example.org", 'wrong argument in "all:example.org"'],
  ["all/24", 'wrong argument in "all/24"'],
  ["all.", 'wrong argument in "all."'],
  ["include", 'wrong argument in "include"'],
  ["include:", 'wrong argument in "include:"'],
  ["include:example.org/24", 'wrong argument in "include:example.org/24"'],
  ["include:example", 'wrong argument in "include:example"'],
  ["exists", 'wrong argument in "exists"'],
  ["a:", 'wrong argument in "a:"'],
  ["a:example.123", 'wrong argument in "a:example.123"'],
  ["a:example.-a", 'wrong argument in "a:example.-a"'],
  ["a:example.a-", 'wrong argument in "a:example.a-"'],
  ["a:example.org..", 'wrong argument in "a:example.org.."'],
  ["a/33", 'wrong argument in "a/33"'],
  ["a/024", 'wrong argument in "a/024"'],
  ["a//129", 'wrong argument in "a//129"'],
  ["a/", 'wrong argument in "a/"'],
  ["a//", 'wrong argument in "a//"'],
  ["a/24/64", 'wrong argument in "a/24/64"'],
  ["a=24", ""],
  ["ptr/24", 'wrong argument in "ptr/24"'],
  ["ptr:", 'wrong argument in "ptr:"'],
  ["ip4", 'wrong argument in "ip4"'],
  ["ip4:192.0.2", 'wrong argument in "ip4:192.0.2"'],
  ["ip4:192.0.2.256", 'wrong argument in "ip4:192.0.2.256"'],
  ["ip4:192.0.2.01", 'wrong argument in "ip4:192.0.2.01"'],
  ["ip4:192.0.2.1/33", 'wrong argument in "ip4:192.0.2.1/33"'],
  ["ip4:2001:db8::", 'wrong argument in "ip4:2001:db8::"'],
  ["ip4:192.0.2.1//32", 'wrong argument in "ip4:192.0.2.1//32"'],
  ["ip6:192.0.2.1", 'wrong argument in "ip6:192.0.2.1"'],
  ["ip6:2001:db8::/129", 'wrong argument in "ip6:2001:db8::/129"'],
  ["ip6:2001:db8::g", 'wrong argument in "ip6:2001:db8::g"'],
  ["ip6:2001:db8::%eth0", 'wrong argument in "ip6:2001:db8::%eth0"'],
  ["a:x.%{z}", 'wrong argument in "a:x.%{z}"'],
  ["a:x.%{d0}", 'wrong argument in "a:x.%{d0}"'],
  ["a:x.%{dd}", 'wrong argument in "a:x.%{dd}"'],
  ["a:x.%{d", 'wrong argument in "a:x.%{d"'],
  ["a:x.%d.org", 'wrong argument in "a:x.%d.org"'],
  ["a:x.%", 'wrong argument in "a:x.%"'],
  ["exists:%{c}.org", 'wrong argument in "exists:%{c}.org"'],
  ["redirect=", 'no domain in "redirect="'],
  ["redirect=a.b redirect=a.b", 'second modifier of its kind in "redirect=a.b"'],
  ["exp=a.b Exp=a.b", 'second modifier of its kind in "Exp=a.b"'],
  ["exp=%{t}.a.b", 'no domain in "exp=%{t}.a.b"'],
  ["x=%{z}", 'wrong macro in "x=%{z}"'],
  ["x=\t", 'wrong macro in "x=?"'],
  ["a\tmx", 'wrong argument in "a?mx"'],
  ["\u00e9", 'unknown mechanism in "?"'],
  ["1x=a", 'wrong argument in "1x=a"'],
];

for (const [terms, problem] of bad) {
  test(`parseSpf() judges ${JSON.stringify(terms)}`, () => {
    const expected = terms.startsWith("1x") ? 'unknown mechanism in "1x=a"' : problem;
    assert.equal(read(terms), expected);
  });
}

test("explanations may have spaces and three macros more", () => {
  assert.equal(written(parseMacros("%{c} at %{t}, says %{R}", "explanation")), "%{c} at %{t}, says %{R}");
  assert.equal(parseMacros("%{c}"), undefined);
  assert.equal(parseMacros("a b"), undefined);
  assert.equal(parseMacros("caf\u00e9", "explanation"), undefined);
  assert.deepEqual(parseMacros(""), []);
});

test("a record of 64 KiB is read in no time, whatever it says", () => {
  const size = 64 * 1024;
  const texts = [
    "a:.",
    "a:x.",
    "%{",
    "a:%{d}.",
    "ip6:",
    "a/1",
    "redirect=x.",
    "1",
    " a",
    "-",
    "//",
    "x.1-",
  ].flatMap((first) =>
    ["a", "1", "-", ".", "/", "%{d}", "a.", "1/", "a-", ":"].map(
      (piece) => `${first}${piece.repeat(size / piece.length)}!`,
    ),
  );
  const start = performance.now();
  for (const text of texts) parseSpf(`v=spf1 ${text}`);
  const each = (performance.now() - start) / texts.length;
  assert.ok(each < 50, `${each} ms each`);
});

test("parseSpf() answers any text with a record or one printable sentence", () => {
  const piece = fc.constantFrom(
    ..."a mx ptr all include: exists: ip4: ip6: redirect= exp= %{d} %{ %% 192.0.2.1 2001:db8:: example.org / // 24 128 . - ~ +".split(
      " ",
    ),
    " ",
    "\t",
    "\u00e9",
  );
  const texts = fc.oneof(
    anyText(),
    fc.array(piece, { maxLength: 30 }).map((all) => all.join("")),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const record = parseSpf(`v=spf1 ${text}`);
      if (!record.ok) return assert.match(record.error, /^[ -~]{1,120}$/);
      // what is right is right term by term
      const { directives } = record.value;
      const again = parseSpf(`v=spf1 ${directives.map((directive) => directive.text).join("  ")}`);
      assert.deepEqual(again.ok && again.value.directives, directives);
    }),
  );
});
