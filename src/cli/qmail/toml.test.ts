import assert from "node:assert/strict";
import test from "node:test";
import { withBlock, withSetting } from "./toml.ts";

const TEXT =
  '# top\nhostname = "h"\n\n[smtp]\n# size\nmax_size = "50M"\nlist = [\n  "a",\n  "b",\n]\n\n[queue]\nmax_size = 1\n';

test("withSetting() changes a setting of its section, and nothing else", () => {
  assert.equal(withSetting(TEXT, "smtp", "max_size", "9M"), TEXT.replace('"50M"', '"9M"'));
  assert.equal(withSetting(TEXT, "queue", "max_size", 2), TEXT.replace("max_size = 1", "max_size = 2"));
});

test("withSetting() replaces a list of several lines, and adds what is missing", () => {
  assert.equal(
    withSetting(TEXT, "smtp", "list", ["c"]),
    TEXT.replace('list = [\n  "a",\n  "b",\n]', 'list = ["c"]'),
  );
  assert.equal(withSetting(TEXT, "queue", "new", "x"), TEXT.replace("[queue]\n", '[queue]\nnew = "x"\n'));
  assert.equal(withSetting(TEXT, "drop", "new", "x"), `${TEXT}\n[drop]\nnew = "x"\n`);
});

test("withBlock() puts a block at the end", () => {
  assert.equal(
    withBlock(TEXT, "route", { recipients: ["a.test"], host: "b" }),
    `${TEXT}\n[[route]]\nrecipients = ["a.test"]\nhost = "b"\n`,
  );
});
