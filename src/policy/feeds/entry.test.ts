import assert from "node:assert/strict";
import test from "node:test";
import { entryName, listedEntries } from "./entry.ts";

test("entryName() is a safe file name or says why there is none", () => {
  for (const [entry, name] of [
    ["a", "a"],
    ["Example.ORG", "example.org"],
    [".jp", ".jp"],
    ["...", "..."],
    ["a..b@docomo.example", "a..b@docomo.example"],
    ["@Example.org", "@example.org"],
    ["größe", "größe"],
    ["a b", "a b"],
    ["x".repeat(255), "x".repeat(255)],
  ] as const) {
    const made = entryName(Buffer.from(entry));
    assert.equal(made.ok && made.value, name);
  }
  for (const [entry, why] of [
    ["", /empty/],
    [".", /directory/],
    ["..", /directory/],
    ["a/b", /"\/"/],
    ["/etc/passwd", /"\/"/],
    ["../x", /"\/"/],
    ["a\0b", /NUL/],
    ["a\tb", /control/],
    ["a\x7f", /control/],
    ["\x1b[2J", /control/],
    ["x".repeat(256), /255/],
    ["ä".repeat(128), /255/],
    // U+0130 becomes three bytes in lower case
    ["İ".repeat(127), /255/],
  ] as const) {
    const made = entryName(Buffer.from(entry));
    assert.match(made.ok ? "" : made.error, why, JSON.stringify(entry));
  }
  const latin = entryName(Buffer.from("gr\xf6\xdfe", "latin1"));
  assert.match(latin.ok ? "" : latin.error, /UTF-8/);
});

test("listedEntries() are the lines that count", () => {
  const list = Buffer.from("a\n\n# no\n  B \t\r\n\r\n.\n \t# no\nlast");
  assert.deepEqual(
    [...listedEntries(list)].map(({ line, name, text }) => [line, name.ok ? name.value : "refused", text]),
    [
      [1, "a", "a"],
      [4, "b", "B"],
      [6, "refused", "."],
      [8, "last", "last"],
    ],
  );
  assert.deepEqual([...listedEntries(Buffer.alloc(0))], []);
});
