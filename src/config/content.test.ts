import assert from "node:assert/strict";
import test from "node:test";
import { readConfig } from "./load.ts";

const HEAD = 'hostname = "a.test"\n';
const CLAMAV = '[[content]]\nname = "clamav"\nkind = "clamav"\naddress = "unix:/run/clamd"\n';

const problemsOf = (source: string): readonly string[] => {
  const read = readConfig(HEAD + source);
  return read.ok ? [] : read.error;
};

test("a [[content]] has usual values, and all that it may have is checked", () => {
  const read = readConfig(HEAD + CLAMAV);
  assert.ok(read.ok);
  assert.deepEqual(read.value.content, [
    {
      name: "clamav",
      kind: "clamav",
      address: "unix:/run/clamd",
      timeout: 60_000,
      on_error: "defer",
      mode: "enforce",
      classes: ["mx"],
    },
  ]);
  const rows: readonly (readonly [from: string, to: string, problem: RegExp])[] = [
    ["unix:/run/clamd", "127.0.0.1:3310", /^$/],
    ["unix:/run/clamd", "[::1]:3310", /^$/],
    ["unix:/run/clamd", "localhost:3310", /^Line 5 .*"content\.address": expected "unix:/],
    ["unix:/run/clamd", "unix:run/clamd", /expected "unix:/],
    ["unix:/run/clamd", `unix:/${"x".repeat(107)}`, /expected "unix:/],
    ["unix:/run/clamd", "127.0.0.1", /expected "unix:/],
    ['kind = "clamav"', 'kind = "spam"', /^Line 4 .*"content\.kind"/],
    ['kind = "clamav"', 'kind = "clamav"\ntimeout = "6m"', /"content\.timeout": expected at most 5m/],
    ['kind = "clamav"', 'kind = "clamav"\non_error = "reject"', /"content\.on_error"/],
    ['kind = "clamav"', 'kind = "clamav"\nclasses = ["imap"]', /"content\.classes/],
    ['kind = "clamav"', 'kind = "clamav"\nclasses = []', /expected at least one class/],
    ['name = "clamav"', 'name = "Clam AV"', /expected a short name/],
    ['name = "clamav"', "", /the setting "content\.name" is missing/],
  ];
  for (const [from, to, problem] of rows)
    assert.match(problemsOf(CLAMAV.replace(from, to)).join("\n"), problem, to);
  assert.match(
    problemsOf(CLAMAV + CLAMAV).join("\n"),
    /^Line 7 .*another \[\[content\]\] is called "clamav"$/,
  );
});
