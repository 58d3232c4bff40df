import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { type Exception, type exceptionKinds, formatException, parseAbout, parseException } from "./line.ts";
import { ExceptionTable, parseExceptions } from "./table.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? 20_261_124);

test("what an exception is about, with and without its word", () => {
  const rows: readonly (readonly [string, string | RegExp])[] = [
    ["192.0.2.1", "client:192.0.2.1"],
    ["192.0.2.0/24", "client:192.0.2.0/24"],
    ["2001:DB8::/32", "client:2001:db8::/32"],
    ["client:192.0.2.7/32", "client:192.0.2.7"],
    ["client:::ffff:192.0.2.7", "client:192.0.2.7"],
    ["192.0.2.1/24", /neither an address nor a name/],
    ["client:192.0.2.1/24", /no network begins there/],
    ["client:mail.test", /expected an address/],
    ["Mail.Example.org", "name:mail.example.org"],
    [".example.org", "name:.example.org"],
    ["name:..", /neither/],
    ["helo:PC-12", "helo:pc-12"],
    ["helo:[192.0.2.1]", "helo:[192.0.2.1]"],
    ["helo:a b", /cannot be a HELO/],
    ["@bad.test", "from:@bad.test"],
    ["Ann@A.test", "from:ann@a.test"],
    ["from:.bad.test", "from:.bad.test"],
    ["from:bad.test", /is no address/],
    ["to:trap@a.test", "to:trap@a.test"],
    ["to:", /about nobody/],
    ["a/b", /neither/],
    ["name:a\0b", /neither/],
    ["from:a\n@b.test", /is no address/],
  ];
  for (const [text, wanted] of rows) {
    const read = parseAbout(text);
    if (typeof wanted === "string")
      assert.equal(read.ok && `${read.value.kind}:${read.value.value}`, wanted, text);
    else assert.match(read.ok ? JSON.stringify(read.value) : read.error, wanted, text);
  }
});

test("lines: comments, blanks, and what cannot be read is told with its number", () => {
  const { exceptions, problems } = parseExceptions(
    [
      "# a comment",
      "",
      "  allow 192.0.2.1   # a friend # twice",
      "DENY from:@bad.test until 2030-01-01T00:00:00Z by ann",
      "deny from:a#b@bad.test",
      "permit 192.0.2.1",
      "allow",
      "deny x.test until tomorrow",
      "deny x.test by ann and bob",
    ].join("\n"),
  );
  assert.deepEqual(exceptions, [
    {
      kind: "client",
      value: "192.0.2.1",
      verdict: "allow",
      until: undefined,
      by: "",
      comment: "a friend # twice",
    },
    {
      kind: "from",
      value: "@bad.test",
      verdict: "deny",
      until: Date.UTC(2030, 0),
      by: "ann",
      comment: "",
    },
    { kind: "from", value: "a#b@bad.test", verdict: "deny", until: undefined, by: "", comment: "" },
  ]);
  assert.deepEqual(
    problems.map((each) => each.slice(0, 7)),
    ["line 6:", "line 7:", "line 8:", "line 9:"],
  );
});

test("what is written is read back, whatever the comment holds", () => {
  const value = fc.constantFrom("a@b.test", "@b.test", ".b.test");
  const made = fc.record({
    verdict: fc.constantFrom("allow", "deny"),
    kind: fc.constantFrom("from", "to"),
    value,
    until: fc.option(
      fc.integer({ min: 0, max: 4e9 }).map((seconds) => 1000 * seconds),
      { nil: undefined },
    ),
    by: fc.constantFrom("", "ann", "root"),
    comment: fc.string({ unit: "binary" }),
  }) as fc.Arbitrary<Exception>;
  fc.assert(
    fc.property(made, (exception) => {
      const line = formatException(exception);
      assert.ok(!line.includes("\n"));
      const read = parseException(line);
      assert.ok(read.ok, line);
      const comment = exception.comment.replaceAll(/[\0-\x1f\x7f]+/g, " ").trim();
      assert.deepEqual(read.value, { ...exception, comment: comment.trim() });
    }),
    { seed, numRuns: 500 },
  );
});

test("the narrowest that has not expired is found", () => {
  const lines = [
    "deny 192.0.2.0/24",
    "allow 192.0.2.10",
    "deny 192.0.0.0/16 until 2026-01-01",
    "allow 2001:db8::/32",
    "deny name:.example.test",
    "allow name:good.example.test",
    "deny from:@bad.test",
    "allow from:ann@bad.test",
  ];
  const table = new ExceptionTable(parseExceptions(lines.join("\n")).exceptions);
  const then = Date.UTC(2025, 0);
  const found = (kind: (typeof exceptionKinds)[number], subject: string, at = Date.UTC(2027, 0)) =>
    table.find(kind, subject, at)?.verdict;
  assert.equal(found("client", "192.0.2.10"), "allow");
  assert.equal(found("client", "192.0.2.11"), "deny");
  assert.equal(found("client", "::ffff:192.0.2.11"), "deny");
  assert.equal(found("client", "192.0.9.1", then), "deny");
  assert.equal(found("client", "192.0.9.1"), undefined, "expired");
  assert.equal(found("client", "2001:db8:7::1"), "allow");
  assert.equal(found("client", ""), undefined);
  assert.equal(found("name", "Good.example.test"), "allow");
  assert.equal(found("name", "mx.example.test"), "deny");
  assert.equal(found("helo", "mx.example.test"), undefined);
  assert.equal(found("from", "ann@bad.test"), "allow");
  assert.equal(found("from", "bob@bad.test"), "deny");
  assert.equal(found("to", "bob@bad.test"), undefined);
});
