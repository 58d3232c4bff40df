import assert from "node:assert/strict";
import test from "node:test";
import { parseCommand } from "./command.ts";

const rows: readonly (readonly [line: string, verb: string, rest: string])[] = [
  ["", "", ""],
  [" ", "", ""],
  ["QUIT", "QUIT", ""],
  ["quit  ", "QUIT", ""],
  ["mAiL FROM:<a@b> ", "MAIL", "FROM:<a@b>"],
  ["MAIL  FROM:<a@b>", "MAIL", " FROM:<a@b>"],
  [" MAIL", "", ""],
  ["MAIL\tFROM:<a@b>", "", ""],
  ["MAIL:", "", ""],
  ["X-FOO a", "", ""],
  ["250 ok", "", ""],
  ["NOOP gr\u00fc\u00dfe", "NOOP", "gr\u00fc\u00dfe"],
];

for (const [line, verb, rest] of rows) {
  test(`parseCommand() reads ${JSON.stringify(line)}`, () => {
    assert.deepEqual(parseCommand(Buffer.from(line)), { verb, rest });
  });
}

test("parseCommand() makes U+FFFD of what is not UTF-8", () => {
  assert.deepEqual(parseCommand(Buffer.from("NOOP \xff", "latin1")), { verb: "NOOP", rest: "\ufffd" });
});
