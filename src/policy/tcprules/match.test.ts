import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { CdbWriter } from "#wire/cdb.ts";
import { type Client, checkLines, firstMatch, judgeClient } from "./match.ts";
import { type RuleSet, readRules } from "./ruleset.ts";

const parameters = {
  seed: Number(process.env["FUZZ_SEED"] ?? 20_260_101),
  numRuns: Number(process.env["FUZZ_ITERATIONS"] ?? 200),
};

function rulesOf(...lines: readonly string[]): RuleSet {
  const rules = readRules(Buffer.from(lines.join("\n")), "rules", false);
  assert.ok(rules.ok, JSON.stringify(rules));
  return rules.value;
}

/** "joe@1.2.3.4 a.example" */
function client(text: string): Client {
  const [who = "", name] = text.split(" ");
  const at = who.lastIndexOf("@");
  return { address: who.slice(at + 1), name, info: at < 0 ? undefined : who.slice(0, at) };
}

/** The rule that tcpserver would take; "(none)". */
function first(rules: RuleSet, who: string): string {
  const match = firstMatch(rules, client(who));
  assert.ok(match.ok);
  return match.value ? match.value.rule : "(none)";
}

/** "deny by 1.2. and =.example, A=1 B=2" */
function judged(rules: RuleSet, who: string): string {
  const judgement = judgeClient(rules, client(who));
  assert.ok(judgement.ok);
  const { verdict, matches, variables } = judgement.value;
  const by = matches.map(({ rule }) => rule || "default").join(" and ");
  const set = [...variables].map(([name, value]) => `${name}=${value}`).join(" ");
  return `${verdict}${by && ` by ${by}`}${set && `, ${set}`}`;
}

test("the examples of tcprules(1) go as they say", () => {
  const rules = rulesOf("joe@127.0.0.1:allow", "18.23.0.32:allow", ":allow", "127.:allow", "::1:allow");
  for (const [who, expected] of [
    ["10.119.75.38", ""],
    ["18.23.0.32", "18.23.0.32"],
    ["bill@127.0.0.1", "127."],
    ["joe@127.0.0.1", "joe@127.0.0.1"],
    ["::1", "::1"],
  ] as const)
    assert.equal(first(rules, who), expected, who);
});

/** What may match joe@1.2.3.4 a.b.c, first to last. */
const steps = [
  "joe@1.2.3.4",
  "joe@=a.b.c",
  "1.2.3.4",
  "=a.b.c",
  "1.2.3.4/32",
  "1.2.3.",
  "1.2.3.0/24",
  "1.2.2.0/23",
  "1.2.",
  "1.2.0.0/16",
  "1.",
  "1.0.0.0/8",
  "0.0.0.0/0",
  "=.b.c",
  "=.c",
  "=",
  "",
];

test("of all rules that match the one earliest in the order of tcprules(1) is taken, wherever it stands in the file", () => {
  const line = (address: string) => `${address}:allow`;
  for (let from = 0; from < steps.length; from++) {
    const left = steps.slice(from).map(line);
    assert.equal(first(rulesOf(...left), "joe@1.2.3.4 a.b.c"), steps[from]);
    assert.equal(first(rulesOf(...left.toReversed()), "joe@1.2.3.4 a.b.c"), steps[from]);
  }
  fc.assert(
    fc.property(fc.shuffledSubarray(steps, { minLength: 1 }), (some) => {
      const earliest = steps.find((each) => some.includes(each));
      assert.equal(first(rulesOf(...some.map(line)), "joe@1.2.3.4 a.b.c"), earliest);
    }),
    parameters,
  );
});

test("the same for IPv6: whole groups and networks, smallest first", () => {
  const order = [
    "joe@2001:db8::a:b",
    "2001:db8::a:b",
    "2001:db8::a:b/128",
    "2001:db8:0:0:0:0:a:",
    "2001:db8::a:0/112",
    "2001:db8::/96",
    "2001:db8:0:0:0:",
    "2001:db8:0:",
    "2001:db8::/33",
    "2001:db8:",
    "2001:db8::/32",
    "2001:",
    "::/0",
    "",
  ];
  for (let from = 0; from < order.length; from++) {
    const left = order.slice(from).map((address) => `${address}:allow`);
    for (const who of ["joe@2001:db8::a:b", "joe@2001:0DB8:0:0::A:B", "joe@2001:db8::a:b%eth0"])
      assert.equal(first(rulesOf(...left.toReversed()), who), order[from]);
  }
});

test("rules match whole parts only", () => {
  const rules = rulesOf(
    "1.2.:deny",
    "10.1.0.0/16:deny",
    "2001:db8::deny",
    "=.example.com:deny",
    "=:allow",
    "joe@1.9.9.9:deny",
  );
  for (const [who, expected] of [
    ["1.2.0.0", "1.2."],
    ["1.20.0.0", "(none)"],
    ["11.2.0.0", "(none)"],
    ["10.1.255.255", "10.1.0.0/16"],
    ["10.2.0.0", "(none)"],
    ["2001:db8:ffff::", "2001:db8:"],
    ["2001:db80::", "(none)"],
    ["::ffff:1.2.3.4", "1.2."],
    ["::1.2.3.4", "(none)"],
    ["9.9.9.9 a.example.com", "=.example.com"],
    ["9.9.9.9 A.EXAMPLE.COM.", "=.example.com"],
    ["9.9.9.9 example.com", "="],
    ["9.9.9.9 anexample.com", "="],
    ["9.9.9.9 a.example.com.evil", "="],
    ["9.9.9.9", "(none)"],
    ["Joe@1.9.9.9", "(none)"],
    ["joe@1.9.9.9", "joe@1.9.9.9"],
  ] as const)
    assert.equal(first(rules, who), expected, who);
});

test("address and name both count, one deny denies, and the default only where neither matches", () => {
  const rules = rulesOf(
    '1.2.3.4:allow,A="address",X="address"',
    '1.2.:deny,A="network"',
    '=good.example:allow,N="name",X="name"',
    '=.example:deny,N="suffix"',
    'joe@1.2.3.4:allow,A="joe"',
    'joe@=good.example:deny,N="joe"',
    ':deny,D="default"',
  );
  for (const [who, expected] of [
    ["1.2.3.4", "allow by 1.2.3.4, A=address X=address"],
    ["1.2.3.4 good.example", "allow by 1.2.3.4 and =good.example, A=address X=name N=name"],
    ["1.2.3.4 bad.example", "deny by 1.2.3.4 and =.example, A=address X=address N=suffix"],
    ["1.2.9.9 good.example", "deny by 1.2. and =good.example, A=network N=name X=name"],
    ["1.2.9.9 bad.example", "deny by 1.2. and =.example, A=network N=suffix"],
    ["1.2.3.4 other.test", "allow by 1.2.3.4, A=address X=address"],
    ["9.9.9.9 good.example", "allow by =good.example, N=name X=name"],
    ["9.9.9.9 other.test", "deny by default, D=default"],
    ["9.9.9.9", "deny by default, D=default"],
    ["joe@1.2.3.4 good.example", "deny by joe@1.2.3.4 and joe@=good.example, A=joe N=joe"],
    ["bill@1.2.3.4 good.example", "allow by 1.2.3.4 and =good.example, A=address X=name N=name"],
  ] as const)
    assert.equal(judged(rules, who), expected, who);
  assert.equal(judged(rulesOf(""), "1.2.3.4 a.example"), "allow");
  assert.equal(judged(rulesOf(":deny", "=:allow"), "1.2.3.4 a.example"), "allow by =");
  assert.equal(judged(rulesOf(":deny", "=:allow"), "1.2.3.4"), "deny by default");
});

test("judgeClient() agrees with two searches of tcpserver, one without name and one without address", () => {
  const address = fc.constantFrom("1.2.3.4", "1.2.", "1.", "0.0.0.0/0", "1.2.0.0/16", "joe@1.2.3.4", "5.");
  const name = fc.constantFrom("=a.b.c", "=.b.c", "=.c", "=", "joe@=a.b.c", "=.d");
  const rule = fc.tuple(fc.oneof(address, name), fc.constantFrom("allow", "deny"));
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 8 }), fc.boolean(), (some, joe) => {
      const lines = some.map(([key, what]) => `${key}:${what},V="${key}"`);
      const isName = (line: string) => line.startsWith("=") || line.startsWith("joe@=");
      const who = `${joe ? "joe@" : ""}1.2.3.4 a.b.c`;
      const a = first(rulesOf(...lines.filter((line) => !isName(line))), who);
      const b = first(rulesOf(...lines.filter(isName)), who);
      const found = [a, b].filter((each) => each !== "(none)");
      const denied = found.some((key) => some.find(([each]) => each === key)?.[1] === "deny");
      const set = found.at(-1);
      assert.equal(
        judged(rulesOf(...lines), who),
        `${denied ? "deny" : "allow"}${found.length > 0 ? ` by ${found.join(" and ")}, V=${set}` : ""}`,
      );
    }),
    parameters,
  );
});

test("evidence says which lines matched and what they set", () => {
  const rules = rulesOf("# site", '1.2.3-4.:allow,A="1",A="2",=""', "=.example:deny");
  const judgement = judgeClient(rules, { address: "1.2.4.9", name: "x.example" });
  assert.ok(judgement.ok);
  assert.deepEqual(
    judgement.value.matches.map(({ side, rule, line, verdict, variables }) => [
      side,
      rule,
      line,
      verdict,
      [...variables],
    ]),
    [
      ["address", "1.2.4.", 2, "allow", [["A", "2"]]],
      ["name", "=.example", 3, "deny", []],
    ],
  );
});

test("what is no address and a damaged file are errors, never a verdict", () => {
  const rules = rulesOf(":allow");
  for (const address of ["", "1.2.3", "unix", "1.2.3.4.5", "::g"]) {
    assert.ok(!judgeClient(rules, { address }).ok);
    assert.ok(!firstMatch(rules, { address }).ok);
  }
  const cut = { ...rules, cdb: rules.cdb.subarray(0, -1) };
  const judgement = judgeClient(cut, { address: "1.2.3.4" });
  assert.match(judgement.ok ? "" : judgement.error, /^The rules are damaged: /);
});

test("checkLines() are the lines of tcprulescheck", () => {
  const rules = rulesOf('1.:allow,A="",B="x y",=""', '2.:deny,A="1"', '=.c:allow,A="\xe4"');
  const lines = (who: string) => {
    const match = firstMatch(rules, client(who));
    assert.ok(match.ok);
    return checkLines(match.value).toString();
  };
  const set = "set environment variable";
  assert.equal(lines("1.2.3.4"), `rule 1.:\n${set} A=\n${set} B=x y\n${set} =\nallow connection\n`);
  assert.equal(lines("2.2.3.4"), "rule 2.:\ndeny connection\n");
  assert.equal(lines("3.2.3.4 b.c"), `rule =.c:\n${set} A=ä\nallow connection\n`);
  assert.equal(lines("3.2.3.4"), "default:\nallow connection\n");
});

test("data of other programs: pieces with unknown letters and what has no end are passed by", () => {
  const writer = new CdbWriter();
  writer.add(Buffer.from("1."), Buffer.from("Xnonsense\0+A=1\0\0+B\0+=x\0+C=\0"));
  writer.add(Buffer.from("2."), Buffer.from("+A=1\0Deny\0+B=2\0"));
  const rules = readRules(writer.finish(), "rules.cdb", true);
  assert.ok(rules.ok);
  assert.equal(judged(rules.value, "1.2.3.4"), "allow by 1., A=1 C=");
  assert.equal(judged(rules.value, "2.2.3.4"), "deny by 2., A=1 B=2");
});
