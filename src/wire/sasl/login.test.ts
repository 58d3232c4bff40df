import assert from "node:assert/strict";
import test from "node:test";
import { parseLogin } from "./login.ts";

const b64 = (text: string) => Buffer.from(text).toString("base64");

test("parseLogin() puts user and password together", () => {
  assert.deepEqual(parseLogin(b64("ann@x"), b64("ge heím")), {
    ok: true,
    value: { user: "ann@x", password: "ge heím" },
  });
});

test("parseLogin() refuses what is none", () => {
  for (const [user, password] of [
    ["", b64("p")],
    [b64("u"), ""],
    ["!", b64("p")],
    [b64("u"), "QQ"],
    [b64("u\0x"), b64("p")],
    [b64("u"), b64("p\0")],
    [b64("u".repeat(321)), b64("p")],
    [b64("u"), b64("p".repeat(1025))],
  ] as const)
    assert.equal(parseLogin(user, password).ok, false, `${user} ${password}`);
});
