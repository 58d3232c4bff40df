import assert from "node:assert/strict";
import test from "node:test";
import { Pool } from "./pool.ts";

test("a pool gives equal text, also after it had to begin again", () => {
  const pool = new Pool(2);
  for (const text of ["a", "b", "a", "c", "a", "", "b"]) assert.equal(pool.share(text), text);
});
