import assert from "node:assert/strict";
import test from "node:test";
import { flag, integer, list, oneOf, optional, read, readJson, record, text, union, word } from "./shape.ts";

const shape = record({
  name: text(5),
  n: integer(0, 10),
  on: flag,
  tags: list(oneOf("a", "b"), 2),
  more: optional(text()),
});

const good = { name: "x", n: 10, on: true, tags: ["a", "b"] };

test("read() takes what fits and leaves out what it does not name", () => {
  assert.deepEqual(read(shape, { ...good, extra: 1 }), { ok: true, value: good });
});

test("read() says which part does not fit", () => {
  const rows: [unknown, string][] = [
    [null, '"value" is not an object'],
    [[], '"value" is not an object'],
    [{ ...good, name: "123456" }, '"value.name" is not text of at most 5 characters'],
    [{ ...good, name: 5 }, '"value.name" is not text of at most 5 characters'],
    [{ ...good, n: -1 }, '"value.n" is not a whole number from 0 to 10'],
    [{ ...good, n: 11 }, '"value.n" is not a whole number from 0 to 10'],
    [{ ...good, n: 1.5 }, '"value.n" is not a whole number from 0 to 10'],
    [{ ...good, n: "1" }, '"value.n" is not a whole number from 0 to 10'],
    [{ ...good, on: 1 }, '"value.on" is not true or false'],
    [{ ...good, tags: ["a", "b", "a"] }, '"value.tags" is not a list of at most 2'],
    [{ ...good, tags: ["a", "c"] }, '"value.tags[1]" is not one of a, b'],
    [{ ...good, more: 7 }, '"value.more" is not text of at most 1048576 characters'],
  ];
  for (const [value, error] of rows) assert.deepEqual(read(shape, value), { ok: false, error });
});

test("union() chooses by kind and is not fooled by inherited names", () => {
  type Either = { readonly kind: "a"; readonly n: number } | { readonly kind: "b" };
  const either = union<Either>({
    a: record({ kind: word("a"), n: integer() }),
    b: record({ kind: word("b") }),
  });
  assert.deepEqual(read(either, { kind: "a", n: 1 }), { ok: true, value: { kind: "a", n: 1 } });
  assert.deepEqual(read(either, { kind: "b", n: 1 }), { ok: true, value: { kind: "b" } });
  for (const kind of ["constructor", "__proto__", "toString", ""])
    assert.equal(read(either, { kind }).ok, false);
  assert.equal(read(either, "a").ok, false);
});

test("readJson() takes bytes that are not JSON as the peer's mistake", () => {
  assert.deepEqual(readJson(shape, Buffer.from("{")), { ok: false, error: "not JSON" });
  assert.deepEqual(readJson(text(), Buffer.from('"x"')), { ok: true, value: "x" });
});
