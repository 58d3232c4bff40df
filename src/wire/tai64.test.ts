import assert from "node:assert/strict";
import test from "node:test";
import { formatTai64n, parseTai64n } from "./tai64.ts";

const rows: [ms: number, stamp: string][] = [
  [0, "@400000000000000a00000000"],
  [1_159_591_442_500, "@40000000451df61c1dcd6500"],
  [999.5, "@400000000000000a3b9328e0"],
  [-1, "@40000000000000093b8b87c0"],
];

test("formatTai64n() and parseTai64n() agree with daemontools' stamps", () => {
  for (const [ms, stamp] of rows) {
    assert.equal(formatTai64n(ms), stamp);
    assert.equal(parseTai64n(`${stamp} some line`), ms);
  }
});

test("parseTai64n() refuses what is no stamp", () => {
  for (const line of [
    "",
    "@",
    "400000000000000a00000000",
    "@400000000000000a0000000",
    "@400000000000000A00000000",
  ]) {
    assert.equal(parseTai64n(line), undefined, line);
  }
});
