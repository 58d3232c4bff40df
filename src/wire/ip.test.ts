import assert from "node:assert/strict";
// biome-ignore lint/style/noRestrictedImports: only its opinion about text is asked for
import net from "node:net";
import test from "node:test";
import fc from "fast-check";
import { formatIp, networkOf, parseIp, unmapped } from "./ip.ts";

const parameters = {
  seed: Number(process.env["FUZZ_SEED"] ?? 20_260_101),
  numRuns: Number(process.env["FUZZ_ITERATIONS"] ?? 500),
};

const canonical = (text: string) => {
  const ip = parseIp(text);
  return ip && formatIp(ip);
};

test("addresses are read, and written as RFC 5952 wants them", () => {
  for (const [text, expected] of [
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["1.2.3.4", "1.2.3.4"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["2001:DB8::1", "2001:db8::1"],
    ["2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"],
    // RFC 5952 §4.2.2: one group is not shortened; §4.2.3: the longest run is, or the first of two
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
    ["::ffff:1.2.3.4", "::ffff:1.2.3.4"],
    ["::ffff:102:304", "::ffff:1.2.3.4"],
    ["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
    ["1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"],
  ] as const)
    assert.equal(canonical(text), expected, text);
});

test("what is no address is none", () => {
  for (const text of [
    ..."|1|1.2.3|1.2.3.4.5|1.2.3.|.1.2.3|1.2.3.256|01.2.3.4|1.2.3.04|1.2.3.4 | 1.2.3.4|1.2.3.4/8|0x1.2.3.4".split(
      "|",
    ),
    ..."|:|:::|1::2::3|1:2:3:4:5:6:7|1:2:3:4:5:6:7:8:9|1:2:3:4:5:6:7:8::|::1:2:3:4:5:6:7:8|1:|:1|1::2:|12345::".split(
      "|",
    ),
    ..."|g::|::1%eth0|[::1]|::1/8|::1.2.3|::1.2.3.4:5|1.2.3.4::|::256.1.1.1|1:2:3:4:5:6:7:1.2.3.4|fe80|-1::|::0x1".split(
      "|",
    ),
  ])
    assert.equal(canonical(text), undefined, text);
});

test("parseIp() agrees with the system about what is an address, and formatIp() is its inverse", () => {
  const group = fc.oneof(
    fc.constantFrom("0", "", "ffff", "00a", "1.2.3.4"),
    fc.stringMatching(/^[0-9a-fA-F]{1,5}$/),
  );
  const text = fc.oneof(
    fc.array(group, { minLength: 1, maxLength: 9 }).map((groups) => groups.join(":")),
    fc.ipV6(),
    fc.ipV4(),
    fc.array(fc.nat(300), { minLength: 3, maxLength: 5 }).map((octets) => octets.join(".")),
  );
  fc.assert(
    fc.property(text, (each) => {
      const ip = parseIp(each);
      assert.equal(ip ? (ip.length === 4 ? 4 : 6) : 0, net.isIP(each));
      if (!ip) return;
      assert.deepEqual(parseIp(formatIp(ip)), ip);
      if (ip.length === 16 && unmapped(ip) === ip)
        assert.equal(formatIp(ip), new URL(`http://[${each}]`).hostname.slice(1, -1));
    }),
    parameters,
  );
});

test("an IPv4 client of an IPv6 socket is an IPv4 client", () => {
  for (const [text, expected] of [
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["1.2.3.4", "1.2.3.4"],
    ["::1.2.3.4", "::102:304"],
    ["::fffe:1.2.3.4", "::fffe:102:304"],
    ["1::ffff:1.2.3.4", "1::ffff:102:304"],
  ] as const)
    assert.equal(formatIp(unmapped(parseIp(text) ?? new Uint8Array())), expected);
});

test("networkOf() keeps the first bits", () => {
  for (const [text, bits, expected] of [
    ["255.255.255.255", 0, "0.0.0.0"],
    ["255.255.255.255", 1, "128.0.0.0"],
    ["10.1.255.3", 22, "10.1.252.0"],
    ["10.1.2.3", 31, "10.1.2.2"],
    ["10.1.2.3", 32, "10.1.2.3"],
    ["2001:db8:ffff::1", 33, "2001:db8:8000::"],
    ["2001:db8:ffff::1", 127, "2001:db8:ffff::"],
    ["2001:db8:ffff::1", 128, "2001:db8:ffff::1"],
    ["2001:db8:ffff::1", 0, "::"],
  ] as const)
    assert.equal(formatIp(networkOf(parseIp(text) ?? new Uint8Array(), bits)), expected);
});
