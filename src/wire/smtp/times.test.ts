import assert from "node:assert/strict";
import test from "node:test";
import { formatDateTime, parseDeliverBy, parseHoldFor, parseHoldUntil } from "./times.ts";

test("RFC 2852 \u00a74: parseDeliverBy() reads time, mode and trace", () => {
  for (const [value, seconds, mode, trace] of [
    ["120;R", 120, "return", false],
    ["+1;r", 1, "return", false],
    ["999999999;RT", 999_999_999, "return", true],
    ["0;N", 0, "notify", false],
    ["-0;N", 0, "notify", false],
    ["-86400;nt", -86_400, "notify", true],
  ] as const)
    assert.deepEqual(parseDeliverBy(value), { seconds, mode, trace }, value);
  for (const value of [
    "",
    "120",
    "120;",
    ";R",
    "0;R",
    "-1;R",
    "1000000000;R",
    "1.5;R",
    "1;X",
    "1;RR",
    "1;R;T",
    " 1;R",
  ])
    assert.equal(parseDeliverBy(value), undefined, value);
});

test("RFC 4865 \u00a73: parseHoldFor() takes 1 to 9 digits that do not begin with 0", () => {
  assert.equal(parseHoldFor("1"), 1);
  assert.equal(parseHoldFor("999999999"), 999_999_999);
  for (const value of ["", "0", "01", "-1", "1000000000", "1.5", "1s"])
    assert.equal(parseHoldFor(value), undefined, value);
});

test("RFC 3339 \u00a75.6: parseHoldUntil() reads moments", () => {
  const noon = Date.UTC(2026, 1, 28, 12);
  for (const [value, wanted] of [
    ["2026-02-28T12:00:00Z", noon],
    ["2026-02-28t12:00:00z", noon],
    ["2026-02-28T12:00:00z", noon],
    ["2026-02-28T13:30:00+01:30", noon],
    ["2026-02-28T04:00:00-08:00", noon],
    ["2026-02-28T12:00:00.5Z", noon + 500],
    ["2026-02-28T12:00:00.123456789Z", noon + 123],
    ["2024-02-29T00:00:00Z", Date.UTC(2024, 1, 29)],
    ["2026-02-29T00:00:00Z", undefined],
    ["2026-02-30T00:00:00Z", undefined],
    ["2026-13-01T00:00:00Z", undefined],
    ["2026-01-01T24:00:00Z", undefined],
    ["2026-01-01T00:00:60Z", undefined],
    ["2026-01-01T00:00:00+24:00", undefined],
    ["2026-01-01T00:00:00", undefined],
    ["2026-01-01", undefined],
    ["2026-01-01T00:00Z", undefined],
    ["1767225600", undefined],
    ["", undefined],
  ] as const)
    assert.equal(parseHoldUntil(value), wanted, value);
});

test("formatDateTime() writes what parseHoldUntil() reads", () => {
  const moment = Date.UTC(2026, 5, 7, 8, 9, 10);
  assert.equal(formatDateTime(moment + 999), "2026-06-07T08:09:10Z");
  assert.equal(parseHoldUntil(formatDateTime(moment)), moment);
});
