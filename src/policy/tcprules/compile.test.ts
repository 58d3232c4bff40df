import assert from "node:assert/strict";
import { hash } from "node:crypto";
import test from "node:test";
import { limits } from "#base/limits.ts";
import { CdbWriter, inspectCdb } from "#wire/cdb.ts";
import { compileRules, repeatedRules } from "./compile.ts";
import { isCompiled, readRules, sentences } from "./ruleset.ts";

const lenient = (text: string) => compileRules(Buffer.from(text, "latin1"), false);
const strict = (text: string) => compileRules(Buffer.from(text, "latin1"), true);

/** Lines and kinds: "3 useless". */
const kinds = ({ problems }: ReturnType<typeof compileRules>) =>
  problems.map(({ line, kind }) => `${line} ${kind}`);

/** The documented example of tcprules(1), ranges and variables included. */
const example = `# comment
joe@127.0.0.1:allow,WHICH="first"
18.23.0.32:deny
:deny
127.:allow,RELAYCLIENT="@fix.me",TCPLOCALHOST=/movie.edu/
10.2-3.:allow,RELAYCLIENT=""
=.example.com:allow
`;

test("rules become the bytes that tcprules writes", () => {
  const { compiled, problems } = lenient(example);
  assert.deepEqual(problems, []);
  // made with tcprules of ucspi-tcp 0.88
  assert.equal(
    hash("sha256", compiled?.cdb ?? ""),
    "a774ff59e416a7205b6db557ead2ddf6345f4443d09e7fb27d188b02856a1e63",
  );
  assert.deepEqual([...(compiled?.lines ?? [])], [2, 3, 4, 5, 6, 6, 7]);
});

test("every problem of a file is told at once, each with its line", () => {
  const text = [
    "1.2.3.4:deny", // 1
    "1.2.3.5", // 2 a deny that was forgotten
    "1.2.3.:dney", // 3
    "1.2.3:deny", // 4
    "#comment", // 5
    "5-4:deny", // 6
    '1.:allow,DATABYTES="10M",A-B="x",C="a\0b"', // 7
    "1.2.3.4:allow", // 8
    '::1/0:allow,A="', // 9
  ].join("\n");
  const { compiled, problems } = lenient(text);
  assert.equal(compiled, undefined);
  assert.deepEqual(kinds({ compiled, problems, more: 0 }), [
    "2 ignored",
    "3 unreadable",
    "4 useless",
    "6 useless",
    "7 value",
    "7 value",
    "7 value",
    "9 unreadable",
  ]);
  assert.deepEqual(sentences({ problems: problems.slice(0, 3), more: 2 }, "smtp"), [
    'Line 2 of smtp: "1.2.3.5" has no colon and is ignored',
    'Line 3 of smtp: Cannot understand "1.2.3.:dney": behind the colon is neither "allow" nor "deny"',
    'Line 4 of smtp: "1.2.3" matches no client: write the network as "1.2.3."',
    "And 2 more problems in smtp",
  ]);
});

test("strict refuses what tcprules passes by without a word", () => {
  for (const text of [
    "1.2.3.4",
    "1.2.3:deny",
    "5-4:deny",
    ':allow,GREETDELAY="soon"',
    ':allow,A-B=""',
    "=A.b:allow",
  ]) {
    assert.ok(lenient(text).compiled, text);
    assert.equal(lenient(text).problems.length, 1, text);
    assert.equal(strict(text).compiled, undefined, text);
    assert.deepEqual(strict(text).problems, lenient(text).problems);
  }
  assert.ok(strict(example).compiled);
  assert.ok(strict("").compiled);
});

test("rules behind another for the same address are found, and refuse nothing", () => {
  const { compiled } = strict(
    "1.2.3.4:deny\n1.2.3.5:deny\n# twice\n1.2.3.4-5:allow\n1.2.3.5-6:allow\n=a:allow\n",
  );
  assert.ok(compiled);
  assert.deepEqual(
    repeatedRules(compiled).map(({ line, kind, text }) => [line, kind, text]),
    [
      [4, "repeated", 'The rule for "1.2.3.4" does not count: line 1 has one'],
      [5, "repeated", 'The rule for "1.2.3.5" does not count: line 2 has one'],
    ],
  );
});

test("of very many problems some are told, and how many there are", () => {
  const { problems, more } = lenient("nonsense\nx:y\n".repeat(1000));
  assert.equal(problems.length, 2 * limits.rules.problems);
  assert.equal(more, 2000 - 2 * limits.rules.problems);
});

test("what is shown of a line cannot harm a terminal and is not long", () => {
  const [problem] = lenient(`\x1b[2J\xc3\xa4${"x".repeat(10_000)}\n`).problems;
  assert.match(problem?.text ?? "", /^"\?\[2Jäx+…" has no colon/);
  assert.ok((problem?.text.length ?? 0) < 200);
});

test("a file of rules is text or compiled by its content; a damaged one is neither", () => {
  const { compiled } = lenient(example);
  assert.ok(compiled);
  const { cdb } = compiled;
  assert.ok(isCompiled(cdb) && !isCompiled(Buffer.from(example)) && !isCompiled(Buffer.alloc(0)));
  const rules = readRules(cdb, "smtp.cdb", true);
  assert.ok(rules.ok && rules.value.origin === "compiled" && rules.value.size === 7);
  const text = readRules(Buffer.from(example), "smtp", true);
  assert.ok(text.ok && text.value.origin === "text" && text.value.size === 7);
  for (const size of [1, 100, 2047, 2048, cdb.length - 1]) {
    const cut = readRules(cdb.subarray(0, size), "smtp.cdb", false);
    assert.ok(!cut.ok, `${size} bytes`);
    assert.match(cut.error.at(-1) ?? "", /^Cannot use smtp\.cdb: it (?:is damaged: |holds no rule$)/);
  }
  const hit = readRules(Buffer.from(cdb).fill("x", 0, 8), "smtp.cdb", false);
  assert.match(hit.ok ? "" : (hit.error[0] ?? ""), /damaged/);
  const other = readRules(Buffer.from("Some text\nof another kind\n"), "README", false);
  assert.deepEqual(other.ok ? [] : other.error, [
    'Line 1 of README: "Some text" has no colon and is ignored',
    'Line 2 of README: "of another kind" has no colon and is ignored',
    "Cannot use README: it holds no rule",
  ]);
  const foreign = new CdbWriter();
  foreign.add(Buffer.from("!joe\0"), Buffer.from("joe\x00500\x00500\0/home/joe\0-\0"));
  foreign.add(Buffer.from("!ann\0"), Buffer.from("ann\x00501\x00501\0/home/ann\0-\0ext"));
  const users = readRules(foreign.finish(), "users.cdb", false);
  assert.deepEqual(users.ok ? [] : users.error, [
    "Cannot use users.cdb: it was not made by tcprules: a record does not end in NUL",
  ]);
});

test("100,000 lines take bounded time, also all alike, long or bad", () => {
  const lines = (make: (n: number) => string) =>
    Array.from({ length: 100_000 }, (_, n) => make(n)).join("\n");
  const octets = (n: number) => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
  for (const [name, text, rules] of [
    ["addresses", lines((n) => `${octets(n)}:deny,BADHOST="number ${n}"`), 100_000],
    ["names", lines((n) => `=.h${n}.example:deny`), 100_000],
    [
      "IPv6",
      lines((n) => `2001:db8:${n.toString(16)}::/48:deny`.replace(/:(\w)(\w{4}):/, ":$1:$2:")),
      undefined,
    ],
    ["one address", lines(() => "1.2.3.4:deny"), 100_000],
    ["no colon", lines(octets), 0],
    ["unreadable", lines((n) => `${n}:x`), undefined],
    ["colons", `${":".repeat(1_000_000)}allow`, undefined],
    ["blanks", `${" ".repeat(1_000_000)}x`, 0],
    ["commas", `1:allow${',A=""'.repeat(250_000)}`, 1],
    ["digits", `${"1".repeat(1_000_000)}-2:allow`, 0],
    ["dots", `=${"a.".repeat(500_000)}:allow`, 1],
  ] as const) {
    const begin = performance.now();
    const { compiled } = compileRules(Buffer.from(text), false);
    if (rules !== undefined) assert.equal(compiled?.positions.length, rules, name);
    if (compiled)
      assert.equal(
        inspectCdb(compiled.cdb, () => {}),
        undefined,
        name,
      );
    if (compiled) repeatedRules(compiled);
    assert.ok(performance.now() - begin < 10_000, `${name}: ${performance.now() - begin} ms`);
  }
});

test("more than the limits is refused, not kept", () => {
  const long = Buffer.alloc(limits.rules.text + 1, "#");
  assert.deepEqual(kinds(compileRules(long, false)), ["1 unreadable"]);
  const wide = `0-255.:deny,BADHOST="${"x".repeat(10_000)}"\n`.repeat(100);
  const { compiled, problems } = compileRules(Buffer.from(wide), false);
  assert.equal(compiled, undefined);
  assert.match(problems[0]?.text ?? "", /^More rules than /);
});
