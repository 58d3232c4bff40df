import assert from "node:assert/strict";
import test from "node:test";
import { everySplit } from "#test/support/everysplit.ts";
import { MboxQuoter } from "./mbox.ts";

test("MboxQuoter quotes From_ lines, ends the last line, and leaves everything else, at every cut", () => {
  for (const [text, wanted] of [
    ["", "\n"],
    ["a\n", "a\n\n"],
    ["a", "a\n\n"],
    ["From x\n", ">From x\n\n"],
    ["From", "From\n\n"],
    ["From\n", "From\n\n"],
    ["Fro", "Fro\n\n"],
    [">", ">\n\n"],
    [">From \n>>From y\n> From z\n", ">>From \n>>>From y\n> From z\n\n"],
    ["a From x\nFrom: y\nfrom z\nFrom\tz\n", "a From x\nFrom: y\nfrom z\nFrom\tz\n\n"],
    ["\nFrom a\n\nFrom b", "\n>From a\n\n>From b\n\n"],
    ["x>From a\nF>From b\n>F\n", "x>From a\nF>From b\n>F\n\n"],
    ["\xe4From \n", "\xe4From \n\n"],
  ] as const) {
    const quote = (chunks: readonly Buffer[]) => {
      const quoter = new MboxQuoter();
      const parts = chunks.map((chunk) => quoter.feed(chunk).toString("latin1"));
      return parts.join("") + quoter.end().toString("latin1");
    };
    assert.equal(everySplit(Buffer.from(text, "latin1"), quote), wanted);
  }
});
