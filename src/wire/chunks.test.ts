import assert from "node:assert/strict";
import test from "node:test";
import { everySplit } from "#test/support/everysplit.ts";
import { ChunkReader } from "./chunks.ts";

function read(chunks: readonly Buffer[], binary = false): readonly [text: string, flaw: string] {
  const reader = new ChunkReader(binary);
  const parts: Buffer[] = [];
  const take = (part: Buffer) => void parts.push(part);
  for (const chunk of chunks) reader.feed(chunk, take);
  reader.end(take);
  return [Buffer.concat(parts).toString("latin1"), reader.flaw ?? ""];
}

const rows: readonly (readonly [what: string, input: string, text: string, flaw?: string])[] = [
  ["nothing", "", ""],
  ["lines", "a\r\nb\r\n", "a\r\nb\r\n"],
  ["a last line without an end", "a\r\nb", "a\r\nb\r\n"],
  ["what would end DATA", "a\r\n.\r\n..\r\n", "a\r\n.\r\n..\r\n"],
  ["8-bit bytes", "\xff\xfe\r\n", "\xff\xfe\r\n"],
  ["an empty line", "\r\n", "\r\n"],
  ["a bare LF", "a\nb\r\n", "a\nb\r\n", "bareLf"],
  ["a bare LF first", "\na\r\n", "\na\r\n", "bareLf"],
  ["a bare LF behind a line", "a\r\n\n", "a\r\n\n\r\n", "bareLf"],
  ["a bare CR", "a\rb\r\n", "a\rb\r\n", "bareCr"],
  ["a bare CR at the end", "a\r", "a\r", "bareCr"],
  ["CR CR LF", "a\r\r\n", "a\r\r\n", "bareCr"],
  ["CR CR", "\r\r", "\r\r", "bareCr"],
  ["a NUL", "a\0\r\n", "a\0\r\n", "nul"],
  ["the first of two flaws", "a\nb\0", "a\nb\0\r\n", "bareLf"],
];

for (const [what, input, text, flaw = ""] of rows) {
  test(`feed() takes ${what}`, () => {
    assert.deepEqual(everySplit(Buffer.from(input, "latin1"), read), [text, flaw]);
  });

  test(`feed() takes ${what} as it is when it is binary`, () => {
    const got = everySplit(Buffer.from(input, "latin1"), (chunks) => read(chunks, true));
    assert.deepEqual(got, [input, ""]);
  });
}

test("feed() gives views, not copies", () => {
  const octets = Buffer.from("a\r\nb");
  new ChunkReader(false).feed(octets, (part) => assert.equal(part, octets));
});
