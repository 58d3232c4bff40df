import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import { everySplit } from "#test/support/everysplit.ts";
import { AnswerReader, answerText, parseExtensions } from "./answer.ts";

function all(chunks: readonly Buffer[]) {
  const reader = new AnswerReader();
  const found: unknown[] = [];
  for (const chunk of chunks) {
    reader.feed(chunk);
    for (let next = reader.next(); next; next = reader.next()) {
      found.push(next.ok ? [next.value.code, next.value.enhanced, ...next.value.lines] : next.error);
      if (!next.ok) return found;
    }
  }
  return found;
}

const rows: [bytes: string, found: unknown[]][] = [
  ["", []],
  ["250 ok\r\n", [[250, undefined, "ok"]]],
  ["250 ok", []],
  ["250\r\n", [[250, undefined, ""]]],
  ["250 ok\n", [[250, undefined, "ok"]]],
  ["250-a\r\n250 b\r\n", [[250, undefined, "a", "b"]]],
  [
    "220 a\r\n250 b\r\n",
    [
      [220, undefined, "a"],
      [250, undefined, "b"],
    ],
  ],
  ["550 5.1.1 no\r\n", [[550, "5.1.1", "5.1.1 no"]]],
  ["550-5.1.1 no\r\n550 5.1.1 never\r\n", [[550, "5.1.1", "5.1.1 no", "5.1.1 never"]]],
  ["550 4.1.1 no\r\n", [[550, undefined, "4.1.1 no"]]],
  ["550 5.1 no\r\n", [[550, undefined, "5.1 no"]]],
  ["250-a\r\n550 b\r\n", [[550, undefined, "a", "b"]]],
  ["250 a\0b\x1bc\r\n", [[250, undefined, "a?b?c"]]],
  ["250 \xc3\xa4\r\n", [[250, undefined, "ä"]]],
  ["25 ok\r\n", ["a line that is no reply"]],
  ["650 ok\r\n", ["a line that is no reply"]],
  ["150 ok\r\n", ["a line that is no reply"]],
  ["2500 ok\r\n", ["a line that is no reply"]],
  ["250_ok\r\n", ["a line that is no reply"]],
  ["\r\n", ["a line that is no reply"]],
  ["<html>\r\n", ["a line that is no reply"]],
  ["250 a\rb\r\n", ["a line that is no reply"]],
  ["250-a\r\nbroken\r\n250 b\r\n", ["a line that is no reply"]],
];

test("replies are cut from what a server sends", () => {
  for (const [bytes, found] of rows)
    assert.deepEqual(everySplit(Buffer.from(bytes, "latin1"), all), found, JSON.stringify(bytes));
});

test("a line may be as long as the limit, and no longer", () => {
  const line = (length: number) => Buffer.from(`250 ${"x".repeat(length - 6)}\r\n`);
  assert.equal((all([line(limits.remote.replyLine)])[0] as unknown[])[0], 250);
  assert.deepEqual(all([line(limits.remote.replyLine + 1)]), ["a line without end"]);
  assert.deepEqual(all([Buffer.alloc(limits.remote.replyLine + 1, "2")]), ["a line without end"]);
});

test("a reply that never ends is given up at the limit", () => {
  const line = Buffer.from(`250-${"x".repeat(994)}\r\n`);
  const lines = Array.from({ length: 200 }, () => line);
  assert.deepEqual(all(lines), ["a reply without end"]);
  const fitting = lines.slice(0, Math.floor(limits.remote.replyBytes / 1000) - 1);
  assert.equal((all([...fitting, Buffer.from("250 end\r\n")])[0] as unknown[])[0], 250);
});

const answer = (code: number, ...lines: string[]) => ({ code, lines, enhanced: undefined });

test("the text for people is one line, with the enhanced code once", () => {
  assert.equal(answerText(answer(550, "5.1.1 no", "5.1.1 never"), 100), "550 5.1.1 no never");
  assert.equal(answerText(answer(250, ""), 100), "250");
  assert.equal(answerText(answer(550, "abcdef"), 8), "550 abc…");
});

test("extensions are found whatever their case, the name of the server is none", () => {
  const found = parseExtensions(
    answer(250, "PIPELINING greets you", "size 1000", "Starttls", "AUTH=LOGIN PLAIN", ""),
  );
  assert.deepEqual(
    [...found].filter(([keyword]) => keyword !== ""),
    [
      ["SIZE", "1000"],
      ["STARTTLS", ""],
      ["AUTH", "LOGIN PLAIN"],
    ],
  );
});
