import assert from "node:assert/strict";
import test from "node:test";
import { formatDate } from "./rfcdate.ts";

test("formatDate() writes RFC 5322 dates in UTC and keeps four digits for the year", () => {
  const rows: [number, string][] = [
    [0, "Thu, 01 Jan 1970 00:00:00 +0000"],
    [Date.UTC(2026, 0, 1), "Thu, 01 Jan 2026 00:00:00 +0000"],
    [Date.UTC(2024, 1, 29, 23, 59, 59, 999), "Thu, 29 Feb 2024 23:59:59 +0000"],
    [-1, "Thu, 01 Jan 1970 00:00:00 +0000"],
    [Number.MAX_SAFE_INTEGER, "Fri, 31 Dec 9999 23:59:59 +0000"],
  ];
  for (const [ms, expected] of rows) assert.equal(formatDate(ms), expected);
});
