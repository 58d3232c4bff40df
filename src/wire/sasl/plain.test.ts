import assert from "node:assert/strict";
import test from "node:test";
import { parsePlain } from "./plain.ts";

const b64 = (text: string) => Buffer.from(text).toString("base64");

test("parsePlain() reads RFC 4616's example and UTF-8", () => {
  assert.deepEqual(parsePlain(b64("\0tim\0tanstaaftanstaaf")), {
    ok: true,
    value: { user: "tim", password: "tanstaaftanstaaf" },
  });
  assert.deepEqual(parsePlain(b64("ann@x\0ann@x\0gr\u00fc\u00dfe")), {
    ok: true,
    value: { user: "ann@x", password: "gr\u00fc\u00dfe" },
  });
});

test("parsePlain() refuses what is not PLAIN", () => {
  for (const wrong of [
    "",
    "=",
    "!!!!",
    "AAA",
    b64("a"),
    b64("a\0b"),
    b64("\0\0p"),
    b64("\0u\0"),
    b64("a\0b\0c\0d"),
    b64("other\0u\0p"),
    b64(`\0${"u".repeat(321)}\0p`),
    b64(`\0u\0${"p".repeat(1025)}`),
  ]) {
    assert.equal(parsePlain(wrong).ok, false, wrong);
  }
});
