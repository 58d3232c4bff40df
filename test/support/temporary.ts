// A directory for one test.

import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";

/** An empty directory that goes with the test. */
export function temporaryDirectory(context: TestContext): string {
  const made = fs.mkdtempSync(path.join(tmpdir(), "kenro-test-"));
  context.after(() => fs.rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Files without content; the directory is made when it is not there. */
export function addFiles(at: string, ...names: readonly string[]): void {
  fs.mkdirSync(at, { recursive: true });
  for (const name of names) fs.writeFileSync(path.join(at, name), "");
}
