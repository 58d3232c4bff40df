import assert from "node:assert/strict";
import test from "node:test";
import { everySplit } from "#test/support/everysplit.ts";
import { LineReader } from "./lines.ts";

function read(chunks: readonly Buffer[], limit = 12): { lines: string[]; rest: string } {
  const reader = new LineReader(limit);
  const lines: string[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let line = reader.next(); line; line = reader.next())
      lines.push(line.flaw ? `!${line.flaw}` : line.bytes.toString("latin1"));
  }
  return { lines, rest: reader.rest().toString("latin1") };
}

const rows: readonly (readonly [what: string, input: string, lines: string[], rest?: string])[] = [
  ["nothing", "", []],
  ["an empty line", "\r\n", [""]],
  ["two lines and a start", "ab\r\ncd\r\nef", ["ab", "cd"], "ef"],
  ["a CR that may become a line end", "ab\r", [], "ab\r"],
  ["a bare LF, and everything up to the next CR LF", "a\nMAIL\r\nb\r\n", ["!bareLf", "!bareLf", "b"]],
  ["a client that knows only LF", "a\nb\nc\n", ["!bareLf", "!bareLf", "!bareLf"]],
  ["a lone LF", "\nx\r\ny\r\n", ["!bareLf", "!bareLf", "y"]],
  ["a bare CR", "a\rb\r\nc\r\n", ["!bareCr", "c"]],
  ["CR CR LF", "a\r\r\nc\r\n", ["!bareCr", "c"]],
  ["a NUL", "a\0b\r\nc\r\n", ["!nul", "c"]],
  ["a line at the limit", "0123456789\r\n", ["0123456789"]],
  ["a line over the limit", "0123456789a\r\nb\r\n", ["!long", "b"]],
  ["a line far over the limit", `${"x".repeat(100)}\r\nb\r\n`, ["!long", "b"]],
  ["a long line that ends with a bare LF", `${"x".repeat(100)}\nb\r\nc\r\n`, ["!bareLf", "!bareLf", "c"]],
  ["8-bit bytes", "\xe9\xff\r\n", ["\xe9\xff"]],
];

for (const [what, input, lines, rest = ""] of rows) {
  test(`next() reads ${what}`, () => {
    const got = everySplit(Buffer.from(input, "latin1"), (chunks) => read(chunks));
    assert.deepEqual(got, { lines, rest });
  });
}

test("an endless line keeps no more than the limit", () => {
  const reader = new LineReader(2048);
  for (let at = 0; at < 1000; at++) {
    reader.push(Buffer.alloc(1000, 0x61));
    assert.equal(reader.next(), undefined);
    assert.ok(reader.pending <= 2048);
  }
  reader.push(Buffer.from("\r\nb\r\n"));
  assert.equal(reader.next()?.flaw, "long");
  assert.equal(reader.next()?.bytes.toString(), "b");
});

test("rest() gives what is behind the last line, once", () => {
  const reader = new LineReader(100);
  reader.push(Buffer.from("DATA\r\nbody"));
  assert.equal(reader.next()?.bytes.toString(), "DATA");
  assert.equal(reader.rest().toString(), "body");
  assert.equal(reader.rest().length, 0);
  reader.push(Buffer.from("QUIT\r\n"));
  assert.equal(reader.next()?.bytes.toString(), "QUIT");
});

test("a flawed line tells what it began with, and no more", () => {
  const bytes = Buffer.from(`BDAT 5\nBDAT 6\r\nBD\0T 7\r\nBDAT ${"8".repeat(100)}\r\nBDAT 9\r\n`);
  const starts = everySplit(bytes, (chunks) => {
    const reader = new LineReader(12);
    const found: string[] = [];
    for (const chunk of chunks) {
      reader.push(chunk);
      for (let line = reader.next(); line; line = reader.next())
        found.push(line.start.toString("latin1").replace(/\r$/, ""));
    }
    return found;
  });
  assert.deepEqual(starts, ["BDAT 5", "BDAT 6", "BD\0T 7", "BDAT 888", ""]);
});

test("ahead() shows the lines that come, and takes none", () => {
  for (const [input, wanted] of [
    ["a\r\nb\r\nc", ["a", "b"]],
    ["\r\n", [""]],
    ["", []],
    ["a", []],
    ["a\r\nb\nc\r\n", ["a"]],
    ["a\r\nb\0\r\nc\r\n", ["a"]],
    ["a\r\nb\rc\r\nd\r\n", ["a"]],
    ["a\r\n0123456789ab\r\nc\r\n", ["a"]],
    ["\na\r\nb\r\n", []],
  ] as const) {
    const reader = new LineReader(12);
    reader.push(Buffer.from(input));
    const shown = () => Array.from(reader.ahead(), (line) => line.toString());
    assert.deepEqual(shown(), wanted, JSON.stringify(input));
    assert.deepEqual(shown(), wanted);
    for (const line of wanted) assert.equal(reader.next()?.bytes.toString(), line);
  }
  const tainted = new LineReader(12);
  tainted.push(Buffer.from("a\nb\r\nc\r\n"));
  tainted.next();
  assert.deepEqual([...tainted.ahead()], []);
});
