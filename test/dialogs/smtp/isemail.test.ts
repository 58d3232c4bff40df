// The address syntax cases of isemail (dominicsayers), read where they lie; they are no part of the project.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { parsePath } from "#wire/smtp/path.ts";

interface Case {
  readonly id: string;
  readonly address: string;
  readonly category: string;
  readonly diagnosis: string;
}

const root = path.resolve(import.meta.dirname, "../../..");
const vectors = ["../shared", "../../shared"]
  .map((place) => path.resolve(root, place, "vectors/isemail.json"))
  .find((file) => existsSync(file));

test("parsePath() judges the addresses of isemail", {
  skip: vectors ? false : "the vectors are not beside the project",
}, () => {
  const cases = JSON.parse(readFileSync(vectors ?? "", "utf8")) as readonly Case[];
  // DNSWARN is a valid address whose domain does not exist, which is no matter of grammar
  const accepted = new Set(["ISEMAIL_VALID_CATEGORY", "ISEMAIL_RFC5321", "ISEMAIL_DNSWARN"]);
  assert.ok(cases.length > 50);
  for (const { id, address, category, diagnosis } of cases) {
    // a line end cannot be part of a command line; the line reader judges it
    const found = parsePath(`<${address}>`);
    assert.equal(found.ok, accepted.has(category), `${id} ${diagnosis} ${JSON.stringify(address)}`);
  }
});
