import assert from "node:assert/strict";
import test from "node:test";
import { everySplit } from "#test/support/everysplit.ts";
import { DotReader } from "./dots.ts";
import { Stuffer } from "./message/stuff.ts";

function stuffed(text: string): Buffer {
  const stuffer = new Stuffer();
  return Buffer.concat([stuffer.feed(Buffer.from(text)), stuffer.end()]);
}

/** Text, what is behind the end (undefined: it has not ended), flaw. */
function read(chunks: readonly Buffer[]): readonly [text: string, rest: string | undefined, flaw: string] {
  const reader = new DotReader();
  const text: Buffer[] = [];
  const rest: Buffer[] = [];
  let ended = false;
  for (const chunk of chunks) {
    if (ended) {
      rest.push(chunk);
      continue;
    }
    const end = reader.feed(chunk, (part) => void text.push(part));
    if (end >= 0) {
      ended = true;
      rest.push(chunk.subarray(end));
    }
  }
  const string = (parts: Buffer[]) => Buffer.concat(parts).toString("latin1");
  return [string(text), ended ? string(rest) : undefined, reader.flaw ?? ""];
}

const rows: readonly (readonly [what: string, input: string, text: string, rest?: string])[] = [
  ["an empty body", ".\r\n", "", ""],
  ["one line", "a\r\n.\r\n", "a\r\n", ""],
  ["what follows the end", "a\r\n.\r\nQUIT\r\n", "a\r\n", "QUIT\r\n"],
  ["two bodies", "a\r\n.\r\n.\r\n", "a\r\n", ".\r\n"],
  ["a stuffed dot", "..\r\n.\r\n", ".\r\n", ""],
  ["a stuffed dot later", "a\r\n..b\r\n.\r\n", "a\r\n.b\r\n", ""],
  ["a dot that was not doubled", "a\r\n.b\r\n.\r\n", "a\r\nb\r\n", ""],
  ["many dots", "....\r\n...\r\n..\r\n.\r\n", "...\r\n..\r\n.\r\n", ""],
  ["dots inside lines", "a.b..\r\n.\r\n", "a.b..\r\n", ""],
  ["a dot and a space", ". \r\n.\r\n", " \r\n", ""],
  ["an empty line first", "\r\n.\r\n", "\r\n", ""],
  ["8-bit bytes", "\xff\xfe\r\n.\r\n", "\xff\xfe\r\n", ""],
];

for (const [what, input, text, rest] of rows) {
  test(`feed() reads ${what}`, () => {
    assert.deepEqual(everySplit(Buffer.from(input, "latin1"), read), [text, rest, ""]);
  });
}

test("a body without its end has none", () => {
  for (const input of ["", "a", "a\r\n", "a\r\n.", "a\r\n.\r", ".", ".\r"]) {
    const [, rest, flaw] = everySplit(Buffer.from(input), read);
    assert.equal(rest, undefined, JSON.stringify(input));
    assert.equal(flaw, "", JSON.stringify(input));
  }
});

test("only CR LF . CR LF ends a body, of all the ways to put CR, LF, NUL and a dot together", () => {
  const pieces = ["\r", "\n", "\r\n", "\0", ".", "x", ""];
  let ends = 0;
  for (const a of pieces)
    for (const b of pieces)
      for (const c of pieces)
        for (const d of pieces) {
          const middle = `${a}${b}.${c}${d}`;
          const input = `start${middle}MAIL FROM:<smuggled@x.test>\r\n.\r\n`;
          const [, rest, flaw] = read([Buffer.from(input, "latin1")]);
          const shown = JSON.stringify(middle);
          // the only other end there may be is the one at the end of the input
          const real = input.indexOf("\r\n.\r\n");
          assert.equal(rest?.length, input.length - real - 5, shown);
          if (real < input.length - 5) ends++;
          const body = input.slice(0, real + 2);
          assert.equal(flaw !== "", /\0|\r(?!\n)|(?<!\r)\n/.test(body), shown);
        }
  assert.ok(ends > 5, `${ends} bodies ended early`);
});

for (const [what, middle] of [
  ["LF . LF", "\n.\n"],
  ["LF . CR LF", "\n.\r\n"],
  ["CR . CR", "\r.\r"],
  ["CR LF . LF", "\r\n.\n"],
  ["CR LF . CR", "\r\n.\r"],
  ["CR . CR LF", "\r.\r\n"],
  ["CR LF NUL . CR LF", "\r\n\0.\r\n"],
  ["CR LF . NUL CR LF", "\r\n.\0\r\n"],
  ["CR CR LF . CR CR LF", "\r\r\n.\r\r\n"],
  ["CR LF CR . CR LF", "\r\n\r.\r\n"],
] as const) {
  test(`${what} is no end of data, and the body is flawed`, () => {
    const input = `Subject: a\r\n\r\nb${middle}MAIL FROM:<evil@x.test>\r\n.\r\nQUIT\r\n`;
    const [, rest, flaw] = everySplit(Buffer.from(input, "latin1"), read);
    assert.equal(rest, "QUIT\r\n");
    assert.notEqual(flaw, "");
  });
}

test("feed() gives back what Stuffer was given, however it is cut", () => {
  for (const text of ["", ".", "..\r\n", "a\r\n.\r\nb", "\r\n.\r\n.\r\n", "a\r\n..b\r\n.", "x"]) {
    const [got, rest] = everySplit(stuffed(text), read);
    assert.equal(got, text === "" || text.endsWith("\r\n") ? text : `${text}\r\n`);
    assert.equal(rest, "");
  }
});

test("feed() gives views of the chunk, not copies", () => {
  const chunk = Buffer.from("a\r\nb\r\n.\r\n");
  new DotReader().feed(chunk, (part) => assert.equal(part.buffer, chunk.buffer));
});
