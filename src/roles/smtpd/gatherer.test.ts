import assert from "node:assert/strict";
import test from "node:test";
import { everySplit } from "#test/support/everysplit.ts";
import { HeaderGatherer } from "./gatherer.ts";

/** The header and what came behind it; what there is when it does not end. */
function gather(chunks: readonly Buffer[]): readonly (string | number)[] {
  const gatherer = new HeaderGatherer();
  for (const [at, chunk] of chunks.entries()) {
    const found = gatherer.take(chunk);
    if (!found) continue;
    const rest = Buffer.concat([found.rest, ...chunks.slice(at + 1)]);
    return [found.bytes.toString("latin1"), rest.toString("latin1")];
  }
  return [gatherer.everything().toString("latin1"), gatherer.size];
}

test("HeaderGatherer finds the blank line however the bytes are cut", () => {
  for (const [text, ...wanted] of [
    ["A: b\r\n\r\nbody\r\n\r\nmore", "A: b\r\n\r\n", "body\r\n\r\nmore"],
    ["A: b\r\n\r\n", "A: b\r\n\r\n", ""],
    ["\r\nA: b\r\n\r\nbody", "\r\n", "A: b\r\n\r\nbody"],
    ["\r\n", "\r\n", ""],
    ["\n\r\n\r\nx", "\n\r\n\r\n", "x"],
    ["A: b\r\n\n\r\nC: d\r\n\r\r\n\r\nx", "A: b\r\n\n\r\nC: d\r\n\r\r\n\r\n", "x"],
    ["A: b\r\n", "A: b\r\n", 6],
    ["A: b\r\n\r", "A: b\r\n\r", 7],
    ["\r", "\r", 1],
    ["", "", 0],
  ] as const)
    assert.deepEqual(everySplit(Buffer.from(text, "latin1"), gather), wanted, JSON.stringify(text));
});

test("HeaderGatherer puts long headers together from pieces of any size", () => {
  const header = `${Array.from({ length: 2000 }, (_, at) => `X-${at}: ${"x".repeat(at % 90)}\r\n`).join("")}\r\n`;
  const bytes = Buffer.from(`${header}body`);
  for (const size of [1, 7, 4095, 4096, 4097, 16_384, 20_000, 65_536]) {
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
    assert.deepEqual(gather(chunks), [header, "body"], `pieces of ${size}`);
  }
});
