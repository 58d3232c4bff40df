// There is one catalogue of replies.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";

const source = path.resolve(import.meta.dirname, "../../src");

test("every reply of the server is made in wire/smtp/replies.ts", () => {
  const files = globSync("**/*.ts", { cwd: source }).filter((file) => !/\.test\.ts$/.test(file));
  const makers = files.filter((file) =>
    /import \{[^}]*\breply\b[^}]*\} from "[^"]*\/reply\.ts"/.test(
      readFileSync(path.join(source, file), "utf8"),
    ),
  );
  assert.deepEqual(makers, ["wire/smtp/replies.ts"]);
});
