// Programs of Debian that tests use: they may be missing on a bare machine, but not in CI.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { TestContext } from "node:test";

const has = (tool: string): boolean => spawnSync("sh", ["-c", `command -v ${tool}`]).status === 0;

/** Whether all are there; if not, the test is skipped with a note, and in CI it fails. */
export function need(context: TestContext, ...tools: readonly string[]): boolean {
  const missing = tools.filter((tool) => !has(tool));
  if (missing.length === 0) return true;
  assert.notEqual(process.env["CI"], "true", `CI lacks ${missing.join(", ")}`);
  context.skip(`install ${missing.join(", ")} to run this`);
  return false;
}
