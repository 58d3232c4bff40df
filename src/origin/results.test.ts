import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { limits } from "#base/limits.ts";
import { anyText } from "#test/support/texts.ts";
import { firstValue, parseFields } from "#wire/message/header.ts";
import type { ClientName } from "./iprev.ts";
import {
  authResult,
  claimsToBeOurs,
  formatResults,
  iprevResult,
  type MethodResult,
  spfResult,
} from "./results.ts";
import type { SpfAnswer } from "./spf.ts";

const answer = (over: Partial<SpfAnswer>): SpfAnswer => ({
  result: "pass",
  identity: "mailfrom",
  domain: "example.org",
  mechanism: "ip4:192.0.2.0/24",
  explanation: undefined,
  why: undefined,
  lookups: 0,
  voids: 0,
  ...over,
});

const names: readonly [found: ClientName, text: string][] = [
  [
    { kind: "verified", name: "a.example.org", names: ["a.example.org"], verified: ["a.example.org"] },
    "iprev=pass (a.example.org)",
  ],
  [
    { kind: "unverified", names: ["b.example"], why: '"b.example" does not resolve' },
    'iprev=fail ("b.example" does not resolve)',
  ],
  [{ kind: "none" }, "iprev=permerror (no name)"],
  [{ kind: "later", why: "servfail" }, "iprev=temperror (servfail)"],
];

for (const [found, text] of names) {
  test(`a client's name in the field: ${found.kind}`, () => {
    const field = formatResults("us", [iprevResult("192.0.2.1", found)]).replaceAll(/\s+/g, " ");
    assert.equal(field, `Authentication-Results: us; ${text} policy.iprev=192.0.2.1 `);
  });
}

const rows: readonly [what: string, results: readonly MethodResult[], field: string][] = [
  ["nothing", [], "Authentication-Results: mx.example.net; none\r\n"],
  [
    "several",
    [
      iprevResult("192.0.2.1", { kind: "none" }),
      spfResult(answer({}), "ann@example.org"),
      authResult("ann@example.net", "PLAIN"),
    ],
    "Authentication-Results: mx.example.net;\r\n\tiprev=permerror (no name) policy.iprev=192.0.2.1;\r\n\tspf=pass (ip4:192.0.2.0/24) smtp.mailfrom=ann@example.org;\r\n\tauth=pass (PLAIN) smtp.auth=ann@example.net\r\n",
  ],
  [
    "the null path",
    [spfResult(answer({ domain: "mail.example.org" }), "")],
    "Authentication-Results: mx.example.net;\r\n\tspf=pass (ip4:192.0.2.0/24) smtp.helo=mail.example.org\r\n",
  ],
  [
    "HELO",
    [
      spfResult(
        answer({ identity: "helo", domain: "mail.example.org", mechanism: undefined }),
        "ann@example.org",
      ),
    ],
    "Authentication-Results: mx.example.net;\r\n\tspf=pass smtp.helo=mail.example.org\r\n",
  ],
  [
    "an international domain, a record that is wrong",
    [
      spfResult(
        answer({ result: "permerror", domain: "xn--bcher-kva.example", why: "wrong" }),
        "ann@b\u00fccher.example",
      ),
    ],
    "Authentication-Results: mx.example.net;\r\n\tspf=permerror (wrong) smtp.mailfrom=ann@xn--bcher-kva.example\r\n",
  ],
];

for (const [what, results, field] of rows) {
  test(`formatResults(): ${what}`, () => assert.equal(formatResults("mx.example.net", results), field));
}

const one = (value: string): MethodResult => ({
  method: "x",
  result: "pass",
  properties: [{ type: "smtp", name: "y", value }],
});

const values: readonly [value: string, written: string][] = [
  ["ann", "ann"],
  ["ann@example.org", "ann@example.org"],
  ["a=b+c/d?@example.org", "a=b+c/d?@example.org"],
  ['"a b"@example.org', '"a b"@example.org'],
  ['"a\\"b"@example.org', '"a\\"b"@example.org'],
  ["@example.org", "@example.org"],
  ["2001:db8::1", '"2001:db8::1"'],
  ["a/b", '"a/b"'],
  ["a b", '"a b"'],
  ["", '""'],
  ['a"b', '"a\\"b"'],
  ["a\\b", '"a\\\\b"'],
  ["a;b", '"a;b"'],
  ["ann@[192.0.2.1]", '"ann@[192.0.2.1]"'],
  ["a(b)@example.org", '"a(b)@example.org"'],
  ["a\r\nX: y", '"a??X: y"'],
  ["caf\u00e9", '"caf?"'],
  ["a@b@c", '"a@b@c"'],
];

test("a value is quoted where it must be", () => {
  for (const [value, written] of values)
    assert.equal(
      formatResults("us", [one(value)]),
      `Authentication-Results: us;\r\n\tx=pass smtp.y=${written}\r\n`,
      value,
    );
});

test("comments and reasons are quoted and cut, and our own name too", () => {
  const long = "x".repeat(limits.results.text + 1);
  const result = {
    method: "x",
    result: "pass",
    comment: "a(b)\\\r\n",
    reason: 'say "no"\u0000',
    properties: [],
  };
  assert.equal(
    formatResults("a b", [result]),
    'Authentication-Results: "a b";\r\n\tx=pass (a\\(b\\)\\\\??) reason="say \\"no\\"?"\r\n',
  );
  const field = formatResults("us", [
    { method: "x", result: "pass", comment: long, reason: long, properties: [] },
  ]);
  assert.deepEqual(
    field
      .match(/x+/g)
      ?.map((run) => run.length)
      .filter((length) => length > 1),
    [200, 200],
  );
});

test("a value that is too long for an address is left out", () => {
  const { value } = limits.results;
  assert.match(formatResults("us", [one("x".repeat(value))]), /smtp\.y=x/);
  assert.doesNotMatch(formatResults("us", [one("x".repeat(value + 1))]), /smtp/);
});

test("lines are folded at 78 columns where they can be, and stay below 998 in any case", () => {
  const properties = Array.from({ length: 30 }, (_, at) => ({
    type: "smtp",
    name: `n${at}`,
    value: "abcdefghij",
  }));
  const field = formatResults("us", [{ method: "x", result: "pass", properties }]);
  const lines = field.split("\r\n");
  assert.ok(lines.every((line) => line.replace("\t", " ".repeat(8)).length < 78));
  assert.ok(lines.slice(1, -1).every((line) => line.startsWith("\t")));
  assert.equal(field.match(/smtp\.n\d+=abcdefghij/g)?.length, 30);
  const wide = {
    ...one("\u00e9".repeat(limits.results.value)),
    comment: "(".repeat(500),
    reason: '"'.repeat(500),
  };
  for (const line of formatResults("us", [wide]).split("\r\n")) assert.ok(line.length < 998);
});

test("whatever the values are, the field is one field of printable ASCII, and says each value", () => {
  const text = anyText();
  const result = fc.record({
    method: fc.constantFrom("spf", "iprev"),
    result: fc.constant("pass"),
    comment: text,
    reason: text,
    properties: fc.array(fc.record({ type: fc.constant("smtp"), name: fc.constant("n"), value: text }), {
      maxLength: 4,
    }),
  });
  fc.assert(
    fc.property(fc.array(result, { maxLength: 4 }), (results) => {
      const field = formatResults("us", results);
      assert.match(field, /^[\t\r\n -~]*$/);
      const fields = parseFields(Buffer.from(`${field}Subject: x\r\n\r\n`));
      assert.deepEqual(
        fields.map(({ name }) => name),
        ["Authentication-Results", "Subject"],
      );
      const parsed = parse(firstValue(fields, "authentication-results") ?? "");
      const expected = results.map(({ properties }) =>
        properties.map(({ value }) => value.replaceAll(/[^ -~]/g, "?")),
      );
      assert.deepEqual(parsed, expected);
    }),
  );
});

/** The values of the properties of each method, read as RFC 8601 §2.2 writes them. */
function parse(body: string): string[][] {
  const tokens = body.match(/\((?:[^()\\]|\\.)*\)|"(?:[^"\\]|\\.)*"(?:@[^\s;]+)?|;|[^\s;()"=]+=?|=/gs) ?? [];
  const methods: string[][] = [];
  for (const [at, token] of tokens.entries()) {
    if (/^(?:spf|iprev)=$/.test(token) && tokens[at - 1] === ";") methods.push([]);
    if (token !== "smtp.n=") continue;
    // a mailbox may have "=" in it
    let value = "";
    for (let next = at + 1; next < tokens.length && !/^(?:;|smtp\.n=)$/.test(tokens[next] ?? ""); next++)
      value += tokens[next];
    methods.at(-1)?.push(/^".*"$/s.test(value) ? value.slice(1, -1).replaceAll(/\\(.)/gs, "$1") : value);
  }
  return methods;
}

const claims: readonly [body: string, ours: boolean][] = [
  [" mx.example.net; none", true],
  [" MX.Example.NET; spf=pass", true],
  ["mx.example.net;none", true],
  [" mx.example.net 1; none", true],
  ["\r\n\tmx.example.net\r\n\t; none", true],
  [" (a (b) \\) c) mx.example.net; none", true],
  [' "mx.example.net"; none', true],
  [' "mx.ex\\ample.net" ; none', true],
  [" mx.example.net", true],
  [" mx.example.net(comment);", true],
  ["", true],
  [" ; none", true],
  [" (mx.example.net", true],
  [' "mx.example.org', true],
  [" mx.example.org; none", false],
  [" mx.example.net.example.org; none", false],
  [" other (mx.example.net); none", false],
  [' "other mx.example.net"; none', false],
  ["\r\n\t(mx.example.net) other;", false],
];

test("claimsToBeOurs() finds fields that bear our name, or none that can be read", () => {
  for (const [body, ours] of claims)
    assert.equal(claimsToBeOurs(body, "mx.example.net"), ours, JSON.stringify(body));
});

test("claimsToBeOurs() knows every field that we write", () => {
  const ids = fc.string({ minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(ids, (id) => {
      const field = formatResults(id, [one("a")]);
      assert.ok(claimsToBeOurs(field.slice(field.indexOf(":") + 1), id));
    }),
  );
});

test("claimsToBeOurs() answers any text, however long", () => {
  for (const piece of ["(", ")", '"', "\\", "(\\", '"\\"', " ", "a"])
    claimsToBeOurs(piece.repeat(100_000), "us");
  fc.assert(fc.property(anyText(), (text) => typeof claimsToBeOurs(text, "us") === "boolean"));
});
