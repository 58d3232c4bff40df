import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import { formatTai64n } from "#wire/tai64.ts";
import { fieldsOf, parseLine } from "./line.ts";
import { formatLine } from "./logger.ts";

const at = 1_785_000_000_123;
const stamp = formatTai64n(at);

test("parseLine() gives back what formatLine() was given", () => {
  const fields = {
    id: "m1",
    text: 'said "id=m2 \\" and\nmore\u0001',
    size: "12",
    empty: "",
    equals: "a=b",
    odd: "ümlaut\u2028 end",
  };
  const parsed = parseLine(formatLine(stamp, "smtpd.1", "smtp_accept", fields));
  assert.ok(parsed);
  assert.deepEqual([parsed.at, parsed.role, parsed.event], [at, "smtpd.1", "smtp_accept"]);
  assert.deepEqual(Object.fromEntries(parsed.fields), fields);
});

test("parseLine() makes the best of lines that are none of ours", () => {
  for (const [line, wanted] of [
    ["", undefined],
    ["no stamp", undefined],
    [stamp, ["", "", {}]],
    [`${stamp} smtpd`, ["smtpd", "", {}]],
    [`${stamp} smtpd x a=1 a=2 b`, ["smtpd", "x", { a: "1" }]],
    [`${stamp} smtpd x from-id=1`, ["smtpd", "x", {}]],
    [`${stamp} smtpd x __proto__=1`, ["smtpd", "x", Object.fromEntries([["__proto__", "1"]])]],
  ] as const) {
    const parsed = parseLine(line);
    const found = parsed && [parsed.role, parsed.event, Object.fromEntries(parsed.fields)];
    assert.deepEqual(found, wanted, line);
  }
});

test("a value that was cut at the longest line stays as it stands, and the fields before it are whole", () => {
  const line = formatLine(stamp, "smtpd", "x", { id: "m1", text: " ".repeat(2 * limits.log.line) });
  const fields = fieldsOf(line);
  assert.equal(fields.get("id"), "m1");
  assert.match(fields.get("text") ?? "", /^"/);
});
