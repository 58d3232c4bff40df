// The generated pages say what the source says.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { keywords } from "#roles/smtpd/extensions.ts";
import { failures } from "#wire/smtp/failure.ts";
import { configPage } from "../../tools/config.ts";
import { logPage } from "../../tools/log.ts";

const root = path.resolve(import.meta.dirname, "../..");

for (const [page, make] of [
  ["docs/config.md", configPage],
  ["docs/log.md", logPage],
] as const) {
  test(`${page} is fresh`, () => {
    const fresh = readFileSync(path.join(root, page), "utf8") === make();
    assert.ok(fresh, `${page} is stale: run "npm run docs"`);
  });
}

test("docs/smtp.md says of every extension what it means here", () => {
  const page = readFileSync(path.join(root, "docs/smtp.md"), "utf8");
  const rows = [...page.matchAll(/^\| ([A-Z0-9-]+)(?: \([^)]*\))? \| [^|]+ \| [^|]{10,} \|$/gm)].map(
    ([, name]) => name,
  );
  assert.deepEqual(rows.sort(), [...keywords].sort());
});

test("docs/queue-tools.md says of every kind of failure what it means", () => {
  const page = readFileSync(path.join(root, "docs/queue-tools.md"), "utf8");
  for (const [failure, meaning] of Object.entries(failures))
    assert.ok(page.includes(`\n| ${failure} | ${meaning} |\n`), failure);
});
