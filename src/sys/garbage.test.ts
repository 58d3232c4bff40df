import assert from "node:assert/strict";
import { test } from "node:test";
import { discard, received } from "./garbage.ts";

const BLOCK = 64 * 1024;

test("buffers of the network that nobody needs any more do not pile up", () => {
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  // V8 by itself waits for 64 MiB
  for (let count = 0; count < 500; count++) {
    Buffer.allocUnsafeSlow(BLOCK).fill(1);
    received(BLOCK);
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  assert.ok(most < 4 * 1024 * 1024, `${most} bytes were held`);
});

test("nor do those that lived a while", () => {
  const before = process.memoryUsage().arrayBuffers;
  const kept: Buffer[] = [];
  let most = 0;
  for (let count = 0; count < 1000; count++) {
    kept.push(Buffer.allocUnsafeSlow(BLOCK).fill(1));
    // old enough to have moved to where V8 seldom looks
    if (kept.length > 100) kept.shift();
    received(BLOCK);
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  assert.ok(most < 20 * 1024 * 1024, `${most} bytes were held`);
});

test("discarded bytes give their memory back, unless it is shared", () => {
  const own = Buffer.allocUnsafeSlow(BLOCK);
  const before = process.memoryUsage().arrayBuffers;
  discard(own);
  assert.equal(own.length, 0);
  assert.ok(process.memoryUsage().arrayBuffers <= before - BLOCK);
  const part = Buffer.from("12345678").subarray(0, 4);
  discard(part);
  assert.equal(part.toString(), "1234");
});
