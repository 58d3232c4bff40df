// Every split: a codec must give the same values however its bytes are cut into chunks.

import assert from "node:assert/strict";

/**
 * Feeds `bytes` whole, byte by byte, and cut in two at every place; `feed` takes the chunks in order and returns what came out.
 * All results must equal the first one, which is returned.
 */
export function everySplit<T>(bytes: Buffer, feed: (chunks: readonly Buffer[]) => T): T {
  const whole = feed([bytes]);
  const single = Array.from({ length: bytes.length }, (_, at) => bytes.subarray(at, at + 1));
  assert.deepEqual(feed(single), whole, "byte by byte");
  for (let cut = 1; cut < bytes.length; cut++) {
    assert.deepEqual(
      feed([bytes.subarray(0, cut), bytes.subarray(cut)]),
      whole,
      `cut at ${cut} of ${bytes.length}`,
    );
  }
  return whole;
}
