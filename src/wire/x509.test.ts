import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import test from "node:test";
import { selfSigned } from "./x509.ts";

const day = 86_400_000;
const from = Date.UTC(2026, 6, 25, 12, 34, 56);

test("selfSigned() makes what the crypto library reads back: names, addresses, time, key, signature", () => {
  for (const [names, addresses, until] of [
    [["mail.example.test"], [], from + 365 * day],
    [["mail.example.test", "localhost", "example.test"], ["127.0.0.1"], from + 3650 * day],
    [["a"], ["192.0.2.255", "0.0.0.0"], Date.UTC(2049, 11, 31, 23, 59, 59)],
    [["a"], [], Date.UTC(2050, 0, 1)],
    [[`${"long.".repeat(40)}example.test`], [], from + day],
    [Array.from({ length: 30 }, (_, n) => `name${n}.example.test`), [], from + day],
  ] as const) {
    const { certificate, key } = selfSigned({ names, addresses, from, until });
    const read = new X509Certificate(certificate);
    assert.equal(
      read.subjectAltName,
      [...names.map((name) => `DNS:${name}`), ...addresses.map((ip) => `IP Address:${ip}`)].join(", "),
    );
    assert.equal(read.subject, `CN=${names[0]?.slice(0, 64)}`);
    assert.equal(read.issuer, read.subject);
    assert.equal(read.ca, false);
    assert.equal(read.validFromDate.getTime(), from);
    assert.equal(read.validToDate.getTime(), until);
    assert.equal(read.checkPrivateKey(createPrivateKey(key)), true);
    assert.equal(read.verify(read.publicKey), true);
    assert.deepEqual(read.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
    for (const name of names) assert.equal(read.checkHost(name), name);
    for (const ip of addresses) assert.equal(read.checkIP(ip), ip);
  }
});

test("no two certificates share key or serial, and serials are positive", () => {
  const options = { names: ["a.test"], addresses: [], from, until: from + day };
  const made = Array.from({ length: 20 }, () => selfSigned(options));
  const serials = made.map(({ certificate }) => new X509Certificate(certificate).serialNumber);
  assert.equal(new Set(serials).size, made.length);
  assert.equal(new Set(made.map(({ key }) => key)).size, made.length);
  for (const serial of serials) assert.match(serial, /^[4-7][0-9A-F]{31}$/);
});
