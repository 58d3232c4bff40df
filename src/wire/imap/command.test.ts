// Cutting a client's bytes into commands: in every split, with literals kept, streamed and skipped, at and over the limits.

import assert from "node:assert/strict";
import test from "node:test";
import { everySplit } from "#test/support/everysplit.ts";
import { type CommandEvent, CommandReader } from "./command.ts";

/** All that comes out, literals accepted as `how`; data of a stream joined. */
const feed =
  (how: "keep" | "stream" | "skip", maxLine = 100) =>
  (chunks: readonly Buffer[]) => {
    const reader = new CommandReader(maxLine);
    const out: string[] = [];
    let data = "";
    const take = (event: CommandEvent) => {
      switch (event.kind) {
        case "command":
          out.push(
            `command ${event.pieces.map((piece) => (Buffer.isBuffer(piece) ? `<${piece}>` : piece)).join("|")}`,
          );
          break;
        case "literal":
          out.push(`literal ${event.size} ${event.sync} held ${event.held}`);
          reader.accept(how);
          break;
        case "data":
          data += event.chunk.toString("latin1");
          if (event.last) out.push(`data ${data}`);
          break;
        case "tooLong":
          out.push("tooLong");
      }
    };
    for (const chunk of chunks) {
      reader.feed(chunk);
      for (let event = reader.next(); event; event = reader.next()) take(event);
    }
    return [...out, `rest ${reader.takeRest()}`];
  };

test("lines become commands, with CRLF or LF", () => {
  assert.deepEqual(everySplit(Buffer.from("a NOOP\r\nb NOOP\n\r\nc"), feed("keep")), [
    "command a NOOP",
    "command b NOOP",
    "command ",
    "rest c",
  ]);
});

test("literals that are kept stand between the pieces of their command", () => {
  assert.deepEqual(everySplit(Buffer.from("a LOGIN {3}\r\na\r\n {4+}\r\npass\r\nb X\r\n"), feed("keep")), [
    "literal 3 true held 0",
    "literal 4 false held 3",
    "command a LOGIN |<a\r\n>| |<pass>|",
    "command b X",
    "rest ",
  ]);
});

test("a streamed literal comes out as data, a skipped one not at all, and the command goes on", () => {
  const bytes = Buffer.from("a APPEND x {5}\r\n12\r\n5\r\nb X\r\n");
  assert.deepEqual(everySplit(bytes, feed("stream")).slice(1), [
    "data 12\r\n5",
    "command a APPEND x |<>|",
    "command b X",
    "rest ",
  ]);
  assert.deepEqual(everySplit(bytes, feed("skip")).slice(1), [
    "command a APPEND x |<>|",
    "command b X",
    "rest ",
  ]);
});

test("an empty literal is one", () => {
  assert.deepEqual(everySplit(Buffer.from("a X {0}\r\n y\r\n"), feed("keep")), [
    "literal 0 true held 0",
    "command a X |<>| y",
    "rest ",
  ]);
  assert.deepEqual(everySplit(Buffer.from("a X {0}\r\n\r\n"), feed("stream")), [
    "literal 0 true held 0",
    "data ",
    "command a X |<>|",
    "rest ",
  ]);
});

test("a line of the limit passes, one byte more does not; all lines of a command count together", () => {
  // the CR counts before the LF has come
  const line = (size: number) => Buffer.from(`${"x".repeat(size)}\r\n`);
  assert.deepEqual(everySplit(line(9), feed("keep", 10)), [`command ${"x".repeat(9)}`, "rest "]);
  assert.equal(feed("keep", 10)([line(10)])[0], "tooLong");
  assert.equal(feed("keep", 10)([Buffer.alloc(11, "x")])[0], "tooLong");
  assert.equal(feed("keep", 10)([Buffer.from("aaa {1}\r\nx bbbbbbbb\r\n")])[1], "tooLong");
});

test("what looks like a literal and is none stays text", () => {
  for (const text of ["a {}", "a {x}", "a {-1}", "a {1} ", "a {12345678901}", "a {1++}"]) {
    assert.deepEqual(feed("keep")([Buffer.from(`${text}\r\n`)]), [`command ${text}`, "rest "], text);
  }
});
