import assert from "node:assert/strict";
import test from "node:test";
import { formatField } from "./field.ts";

test("formatField() makes one field of whatever the value is", () => {
  const rows: readonly (readonly [value: string, field: string])[] = [
    ["yes", "X: yes\r\n"],
    [" yes", "X: yes\r\n"],
    ["", "X:\r\n"],
    ["a\nb", "X: a\r\n\tb\r\n"],
    ["a\r\n b\r\n\tc\n", "X: a\r\n b\r\n\tc\r\n"],
    ["a\r\n\r\nbody", "X: a\r\n\tbody\r\n"],
    ["a\rBcc: b", "X: a\r\n\tBcc: b\r\n"],
    ["\u00e4\0\x7f", "X: ?\r\n"],
    ["\n\n", "X:\r\n"],
  ];
  for (const [value, field] of rows) assert.equal(formatField("X", value), field, JSON.stringify(value));
  assert.equal(formatField("X", "y".repeat(2000)).length, 1000);
});
