import assert from "node:assert/strict";
import test from "node:test";
import { everySplit } from "#test/support/everysplit.ts";
import { BodyText } from "./bodytext.ts";

type Row = readonly [ends: "lf" | "crlf", given: string, made: string, flaw?: "bareLf" | "bareCr" | "nul"];

const rows: readonly Row[] = [
  ["lf", "", ""],
  ["lf", "a\n\nb\n", "a\r\n\r\nb\r\n"],
  ["lf", "a", "a\r\n"],
  ["lf", "a\r\nb\r\n", "a\r\nb\r\n"],
  ["lf", "a\rb\n", "a\rb\r\n", "bareCr"],
  ["lf", "a\n\r", "a\r\n\r\r\n", "bareCr"],
  ["lf", "a\0b\n", "a\0b\r\n", "nul"],
  ["lf", ".\n..\nä\n", ".\r\n..\r\nä\r\n"],
  ["crlf", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"],
  ["crlf", "a", "a\r\n"],
  ["crlf", "a\nb\r\n", "a\nb\r\n", "bareLf"],
  ["crlf", "a\r\r\n", "a\r\r\n", "bareCr"],
  ["crlf", "a\r\n.\r\nRSET\r\n", "a\r\n.\r\nRSET\r\n"],
];

for (const [ends, given, made, flaw] of rows) {
  test(`BodyText makes ${JSON.stringify(given)} with ${ends} into text`, () => {
    const result = everySplit(Buffer.from(given), (chunks) => {
      const text = new BodyText(ends);
      const parts = chunks.map((chunk) => text.feed(chunk));
      const whole = Buffer.concat([...parts, text.end()]).toString();
      return [whole, text.flaw];
    });
    assert.deepEqual(result, [made, flaw]);
  });
}
