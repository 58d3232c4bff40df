import assert from "node:assert/strict";
import test from "node:test";
import { parseQueueEnvelope } from "./qmailqueue.ts";

const rows: readonly (readonly [
  given: string,
  sender: string | undefined,
  recipients?: readonly string[],
])[] = [
  ["Fa@b\0Tc@d\0Te f@g\0\0", "a@b", ["c@d", "e f@g"]],
  ["F\0Tc@d\0\0", "", ["c@d"]],
  ["Fa@b\0\0", "a@b", []],
  ["F\0\0", "", []],
  ["Fa\xe4@b\0Tc\0\0ignored", "a\xe4@b", ["c"]],
  ["", undefined],
  ["\0\0", undefined],
  ["Fa@b\0", undefined],
  ["Fa@b\0Tc@d\0", undefined],
  ["Fa@b\0Tc@d", undefined],
  ["Ta@b\0\0", undefined],
  ["Fa@b\0Fc@d\0\0", undefined],
];

for (const [given, sender, recipients] of rows) {
  test(`parseQueueEnvelope() reads ${JSON.stringify(given)}`, () => {
    const found = parseQueueEnvelope(Buffer.from(given, "latin1"));
    if (sender === undefined) assert.equal(found.ok, false);
    else assert.deepEqual(found, { ok: true, value: { sender, recipients } });
  });
}
