import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import test from "node:test";
import { identity } from "#test/support/pki.ts";
import { need } from "#test/support/tools.ts";
import { certificateParts } from "./certificate.ts";
import { selfSigned } from "./x509.ts";

const own = () => {
  const { certificate } = selfSigned({ names: ["a.example"], addresses: [], from: 0, until: 86_400_000 });
  return new X509Certificate(certificate);
};

test("certificateParts() gives the key byte for byte, and what the extensions demand", (context) => {
  const x509 = own();
  const parts = certificateParts(x509.raw);
  assert.deepEqual(parts?.key, x509.publicKey.export({ type: "spki", format: "der" }));
  assert.deepEqual([parts?.pathLength, parts?.demanding], [Number.POSITIVE_INFINITY, false]);
  if (!need(context, "openssl")) return;
  const of = (...extensions: string[]) =>
    certificateParts(new X509Certificate(identity(context, "x", { extensions }).cert).raw);
  assert.equal(of("basicConstraints=critical,CA:TRUE,pathlen:0")?.pathLength, 0);
  assert.equal(of("basicConstraints=critical,CA:TRUE,pathlen:3")?.pathLength, 3);
  assert.equal(of("nameConstraints=critical,permitted;DNS:a.example")?.demanding, true);
  assert.equal(of("nameConstraints=permitted;DNS:a.example")?.demanding, false);
});

test("certificateParts() of anything else is undefined, wherever it is cut or changed it never throws", () => {
  const { raw } = own();
  for (let length = 0; length < raw.length; length++)
    assert.equal(certificateParts(raw.subarray(0, length)), undefined, String(length));
  for (let at = 0; at < raw.length; at++) {
    const changed = Buffer.from(raw);
    changed[at] = (changed[at] ?? 0) ^ 0xff;
    certificateParts(changed);
  }
  assert.equal(certificateParts(Buffer.from("3080", "hex")), undefined);
});
