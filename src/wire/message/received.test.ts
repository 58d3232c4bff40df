import assert from "node:assert/strict";
import test from "node:test";
import { formatReceived, protocolName, type Received } from "./received.ts";

const base: Received = {
  hello: "client.test",
  name: "",
  address: "192.0.2.7",
  hostname: "mail.example.test",
  extended: true,
  utf8: false,
  tls: undefined,
  authenticated: false,
  id: "m-1",
  recipient: undefined,
  time: Date.UTC(2026, 0, 2, 3, 4, 5),
};

test("formatReceived() writes the field of RFC 5321 §4.4", () => {
  assert.equal(
    formatReceived(base),
    "Received: from client.test ([192.0.2.7])\r\n\tby mail.example.test with ESMTP\r\n\tid m-1;\r\n\tFri, 02 Jan 2026 03:04:05 +0000\r\n",
  );
});

test("formatReceived() tells TLS and the only recipient", () => {
  const tls = { version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" };
  const field = formatReceived({
    ...base,
    tls,
    authenticated: true,
    address: "2001:db8::1",
    recipient: "a@b.test",
  });
  assert.match(field, /\(\[IPv6:2001:db8::1\]\)/);
  assert.match(
    field,
    /with ESMTPSA \(TLSv1\.3\)\r\n\tid m-1\r\n\tfor <a@b\.test>\r\n\ttls TLS_AES_256_GCM_SHA384;\r\n/,
  );
});

test("formatReceived() lets no name of a client out of its place", () => {
  for (const hello of ["a\r\nX: y", "a) (b", "<a>", '"a"', "a;b", "\0", "\u00e4\ufffd", "a b"]) {
    const field = formatReceived({ ...base, hello });
    assert.match(
      field,
      /^Received: from [A-Za-z0-9.:?[\]_-]+ \(\[192\.0\.2\.7\]\)\r\n\tby /,
      JSON.stringify(hello),
    );
    assert.equal(field.split("\r\n").length, 5);
  }
  assert.match(formatReceived({ ...base, hello: "" }), /from unknown \(/);
});

test("formatReceived() tells what a proxy said of its client, and what it did not", () => {
  assert.match(
    formatReceived({ ...base, name: "mx.far.test" }),
    /from client\.test \(mx\.far\.test \[192\.0\.2\.7\]\)\r\n/,
  );
  assert.match(formatReceived({ ...base, address: "" }), /from client\.test \(unknown\)\r\n/);
});

test("protocolName() follows RFC 3848 and RFC 6531 §4.3", () => {
  for (const [extended, utf8, tls, authenticated, name] of [
    [false, false, false, false, "SMTP"],
    [false, false, true, false, "SMTP"],
    [true, false, false, false, "ESMTP"],
    [true, false, false, true, "ESMTPA"],
    [true, false, true, false, "ESMTPS"],
    [true, false, true, true, "ESMTPSA"],
    [true, true, false, false, "UTF8SMTP"],
    [true, true, false, true, "UTF8SMTPA"],
    [true, true, true, false, "UTF8SMTPS"],
    [true, true, true, true, "UTF8SMTPSA"],
  ] as const)
    assert.equal(protocolName({ extended, utf8, tls, authenticated }), name);
});
