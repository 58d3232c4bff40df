import assert from "node:assert/strict";
import test from "node:test";
import { attributeNames, type Claims, parseXclient } from "./xclient.ts";

const good: readonly (readonly [argument: string, claims: Claims])[] = [
  ["NAME=spike.far.test ADDR=168.100.189.2", { name: "spike.far.test", address: "168.100.189.2" }],
  ["name=x.test  Addr=IPV6:2001:DB8:0:0::1", { name: "x.test", address: "2001:db8::1" }],
  ["ADDR=2001:db8::1", { address: "2001:db8::1" }],
  ["ADDR=ipv6:::ffff:192.0.2.1", { address: "192.0.2.1" }],
  ["NAME=[TEMPUNAVAIL] ADDR=[unavailable] PORT=[Unavailable]", { name: "", address: "", port: "" }],
  ["PORT=0 DESTPORT=65535", { port: "0", toPort: "65535" }],
  ["PORT=00025", { port: "25" }],
  ["PROTO=esmtp HELO=far.test", { protocol: "ESMTP", hello: "far.test" }],
  ["HELO=[192.0.2.1]", { hello: "[192.0.2.1]" }],
  ["LOGIN=ann+40x.test", { login: "ann@x.test" }],
  ["LOGIN=+C3+A4nn+40x.test", { login: "\u00e4nn@x.test" }],
  // a value that is no xtext is taken as it is
  ["LOGIN=ann+lee@x.test", { login: "ann+lee@x.test" }],
  ["DESTADDR=192.0.2.9 LOGIN=[UNAVAILABLE]", { toAddress: "192.0.2.9", login: "" }],
  ["NAME=a.test NAME=b.test", { name: "b.test" }],
];

for (const [argument, claims] of good) {
  test(`parseXclient() reads ${argument}`, () => {
    assert.deepEqual(parseXclient(argument), { ok: true, value: claims });
  });
}

test("parseXclient() refuses what is no attribute or no value", () => {
  for (const argument of [
    "",
    "NAME",
    "NAME=",
    "=x",
    "FOO=bar",
    "__proto__=x",
    "NAME=a b",
    "NAME=-x.test",
    "ADDR=[TEMPUNAVAIL]",
    "ADDR=1.2.3.4.5",
    "ADDR=[192.0.2.1]",
    "PORT=65536",
    "PORT=-1",
    "PROTO=LMTP",
    "PROTO=[UNAVAILABLE]",
    "HELO=a+0Ab",
    "HELO=\u00e4",
    "LOGIN=a+00b",
    "LOGIN=+FF",
    `HELO=${"x".repeat(256)}`,
  ])
    assert.equal(parseXclient(argument).ok, false, argument);
});

test("the attributes are those that Postfix documents", () => {
  assert.equal(attributeNames, "NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT");
});
