import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import { formatPlain, parseBase64, parsePlain } from "./plain.ts";

const { userBytes, passwordBytes } = limits.login;

const rows: readonly (readonly [string, string | Buffer, boolean])[] = [
  ["user and password", "\0ann\0secret", true],
  ["an authorization identity", "ann\0ann\0secret", true],
  ["UTF-8", "\0änn\0geheím", true],
  ["a password with spaces", "\0ann\0 a b ", true],
  ["nothing", "", false],
  ["no password", "\0ann\0", false],
  ["no user", "\0\0secret", false],
  ["two parts", "ann\0secret", false],
  ["four parts", "\0ann\0sec\0ret", false],
  ["bytes that are no UTF-8", Buffer.from("\0ann\0\xff", "latin1"), false],
  ["the longest user", `\0${"u".repeat(userBytes)}\0p`, true],
  ["a user too long", `\0${"u".repeat(userBytes + 1)}\0p`, false],
  ["the longest password", `\0u\0${"p".repeat(passwordBytes)}`, true],
  ["a password too long", `\0u\0${"p".repeat(passwordBytes + 1)}`, false],
];

for (const [what, message, good] of rows) {
  test(`parsePlain() ${good ? "takes" : "refuses"} ${what}`, () => {
    assert.equal(parsePlain(Buffer.from(message)).ok, good);
  });
}

test("parsePlain() gives back what formatPlain() was given", () => {
  const credentials = { authorization: "boss@x.test", user: "änn@x.test", password: "ge heim" };
  const bytes = parseBase64(formatPlain(credentials));
  assert.ok(bytes);
  assert.deepEqual(parsePlain(bytes), { ok: true, value: credentials });
});

test("parseBase64() takes only whole, clean base64", () => {
  for (const good of ["", "YQ==", "YWI=", "YWJj", "+/+/"]) assert.ok(parseBase64(good), good);
  for (const bad of ["Y", "YQ", "YQ=", "=", "YQ==YQ==", "Y Q=", "YQ==\n", "_-_-", "*"])
    assert.equal(parseBase64(bad), undefined, bad);
});
