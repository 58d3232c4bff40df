// What hostile clients cost: the short form of bench/hostile.ts, for the attacks that cost most.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import test from "node:test";

const bench = path.resolve(import.meta.dirname, "../../bench/hostile.ts");

const attacks = ["DATA of dots", "BDAT of one octet", "recipients piped without end, replies read"];

for (const attack of attacks) {
  test(`a hostile connection costs at most 256 KiB, and others are served: ${attack}`, (context) => {
    const words = ["--connections", "200", "--seconds", "2", attack];
    const ran = spawnSync(process.execPath, [bench, ...words], { encoding: "utf8", timeout: 120_000 });
    context.diagnostic(ran.stdout + ran.stderr);
    assert.match(ran.stdout, new RegExp(`^\\| ${attack}.* \\| \\d+ \\| \\d+ \\| [1-9]\\d* \\|`, "m"));
    assert.equal(ran.status, 0, ran.stdout + ran.stderr);
  });
}
