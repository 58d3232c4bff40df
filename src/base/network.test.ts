import assert from "node:assert/strict";
// biome-ignore lint/style/noRestrictedImports: only its parser, to compare ours with
import net from "node:net";
import test from "node:test";
import fc from "fast-check";
import { addressBytes, firstBits, formatAddress, Networks, networkOf, parseNetwork } from "./network.ts";

const hex = (text: string): string | undefined => addressBytes(text)?.toString("hex");

test("addressBytes() reads addresses of both kinds and nothing else", () => {
  for (const [text, wanted] of [
    ["0.0.0.0", "00000000"],
    ["192.0.2.255", "c00002ff"],
    ["::", "0".repeat(32)],
    ["::1", `${"0".repeat(31)}1`],
    ["2001:db8::1", "20010db8000000000000000000000001"],
    ["2001:DB8:0:0:1::1", "20010db8000000000001000000000001"],
    ["1:2:3:4:5:6:7::", "00010002000300040005000600070000"],
    ["64:ff9b::192.0.2.1", "0064ff9b0000000000000000c0000201"],
    ["::ffff:192.0.2.1", "c0000201"],
    ["fe80::1%eth0", "fe800000000000000000000000000001"],
    ["", undefined],
    ["1.2.3", undefined],
    ["1.2.3.256", undefined],
    ["1.2.3.04", undefined],
    ["1.2.3.4 ", undefined],
    [":::", undefined],
    ["1::2::3", undefined],
    ["1:2:3:4:5:6:7:8:9", undefined],
    ["1:2:3:4:5:6:7", undefined],
    ["1:2:3:4:5:6:7::8", undefined],
    ["1.2.3.4::", undefined],
    ["12345::", undefined],
    ["g::", undefined],
  ] as const)
    assert.equal(hex(text), wanted, text);
});

test("addressBytes() takes what node:net takes, and formatAddress() writes it back", () => {
  const piece = fc.constantFrom("0", "1", "ab", "FFFF", "::", ":", ".", "10", "255", "256");
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
      const text = pieces.join("");
      assert.equal(addressBytes(text) !== undefined, net.isIP(text) !== 0, text);
    }),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const bytes = addressBytes(text);
      assert.ok(bytes, text);
      const formatted = formatAddress(bytes);
      assert.equal(hex(formatted), bytes.toString("hex"), formatted);
      assert.notEqual(net.isIP(formatted), 0, formatted);
    }),
  );
});

test("formatAddress() writes the one form of RFC 5952", () => {
  for (const text of [
    "0.0.0.0",
    "192.0.2.1",
    "::",
    "::1",
    "1::",
    "2001:db8::1",
    "1:0:2::",
    "1:2:0:4:5:6:7:8",
    "1::2:0:0:3:4",
  ])
    assert.equal(formatAddress(addressBytes(text) as Buffer), text);
  assert.equal(formatAddress(addressBytes("2001:DB8:0:0:1:0:0:1") as Buffer), "2001:db8::1:0:0:1");
});

test("firstBits() keeps the first bits", () => {
  for (const [text, bits, expected] of [
    ["255.255.255.255", 0, "0.0.0.0"],
    ["255.255.255.255", 1, "128.0.0.0"],
    ["10.1.255.3", 22, "10.1.252.0"],
    ["10.1.2.3", 31, "10.1.2.2"],
    ["10.1.2.3", 32, "10.1.2.3"],
    ["2001:db8:ffff::1", 0, "::"],
    ["2001:db8:ffff::1", 33, "2001:db8:8000::"],
    ["2001:db8:ffff::1", 127, "2001:db8:ffff::"],
    ["2001:db8:ffff::1", 128, "2001:db8:ffff::1"],
  ] as const)
    assert.equal(formatAddress(firstBits(addressBytes(text) as Buffer, bits)), expected);
});

test("networkOf() is the /24 and the /64", () => {
  const same = (one: string, other: string) => networkOf(one) === networkOf(other);
  assert.ok(same("192.0.2.1", "192.0.2.255"));
  assert.ok(!same("192.0.2.1", "192.0.3.1"));
  assert.ok(!same("1.92.0.2", "19.2.0.2"));
  assert.ok(same("2001:db8::1", "2001:db8:0:0:ffff::"));
  assert.ok(!same("2001:db8::1", "2001:db8:0:1::1"));
  assert.ok(same("::ffff:192.0.2.9", "192.0.2.1"));
  assert.ok(same("fe80::1%eth0", "fe80::2%eth1"));
  assert.equal(networkOf(""), "");
});

test("parseNetwork() says what is wrong", () => {
  for (const [text, wanted] of [
    ["192.0.2.0/24", undefined],
    ["192.0.2.1", undefined],
    ["0.0.0.0/0", undefined],
    ["::/0", undefined],
    ["2001:db8::/33", undefined],
    ["::ffff:192.0.2.0/120", undefined],
    ["192.0.2.0/33", /from 0 to 32/],
    ["192.0.2.0/", /from 0 to 32/],
    ["192.0.2.0/-1", /from 0 to 32/],
    ["192.0.2.0/2x", /from 0 to 32/],
    ["2001:db8::/129", /from 0 to 128/],
    ["192.0.2.1/24", /"192\.0\.2\.1" has bits beyond its first 24/],
    ["192.0.2.0/24/8", /expected an address/],
    ["localhost", /expected an address/],
    ["", /expected an address/],
  ] as const) {
    const parsed = parseNetwork(text);
    if (wanted === undefined) assert.ok(parsed.ok, text);
    else assert.match(parsed.ok ? "" : parsed.error, wanted, text);
  }
});

test("Networks.has() looks at exactly the bits of the prefix", () => {
  for (const [network, inside, outside] of [
    [
      "192.0.2.0/24",
      ["192.0.2.0", "192.0.2.255", "::ffff:192.0.2.7"],
      ["192.0.3.0", "192.0.1.255", "::c000:200"],
    ],
    ["192.0.2.128/25", ["192.0.2.128", "192.0.2.255"], ["192.0.2.127"]],
    ["192.0.2.9", ["192.0.2.9"], ["192.0.2.8"]],
    ["0.0.0.0/0", ["1.2.3.4"], ["::1", ""]],
    ["2001:db8::/33", ["2001:db8:7fff::1"], ["2001:db8:8000::1", "2001:db9::"]],
    ["::ffff:192.0.2.0/120", ["192.0.2.200"], ["192.0.3.1"]],
    ["::1", ["::1", "0:0:0:0:0:0:0:1"], ["::2", "127.0.0.1"]],
  ] as const) {
    const networks = new Networks([network]);
    for (const address of inside) assert.ok(networks.has(address), `${address} in ${network}`);
    for (const address of outside) assert.ok(!networks.has(address), `${address} not in ${network}`);
  }
  assert.ok(new Networks(["10.0.0.0/8", "::1"]).has("::1"));
  assert.ok(new Networks([]).empty && !new Networks([]).has("::1"));
});
