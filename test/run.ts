// Runs the suites: `unit` (fast, one process, random order) and `flows` (real processes on loopback, one file at a time per core).
// usage: node test/run.ts unit|flows [part of a file name …]

import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import path from "node:path";

const suites: Readonly<
  Record<string, { readonly globs: readonly string[]; readonly flags: readonly string[] }>
> = {
  unit: {
    globs: ["src/**/*.test.ts", "test/{support,tree,dialogs,fuzz,crash}/**/*.test.ts"],
    flags: ["--test-isolation=none", "--test-timeout=180000"],
  },
  flows: { globs: ["test/flows/**/*.test.ts"], flags: ["--test-concurrency=2", "--test-timeout=300000"] },
};

const [name = "", ...parts] = process.argv.slice(2);
const suite = suites[name];
if (!suite) {
  console.error(`Unknown suite "${name}": give one of ${Object.keys(suites).join(", ")}`);
  process.exit(2);
}
const root = path.resolve(import.meta.dirname, "..");
const files = globSync([...suite.globs], { cwd: root })
  .filter((file) => parts.length === 0 || parts.some((part) => file.includes(part)))
  .sort();
if (files.length === 0) {
  console.error("No test file matches");
  process.exit(2);
}
const run = spawnSync(
  process.execPath,
  ["--test", "--disable-warning=ExperimentalWarning", ...suite.flags, ...files],
  { cwd: root, stdio: "inherit", timeout: 20 * 60_000 },
);
process.exit(run.status ?? 1);
