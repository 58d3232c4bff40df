import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { everySplit } from "#test/support/everysplit.ts";
import { type ProxyHeader, ProxyReader } from "./proxy.ts";

/** What a reader answers, with what came behind; "more" when it is not complete. */
function read(chunks: readonly Buffer[]): string {
  const reader = new ProxyReader();
  for (const [at, chunk] of chunks.entries()) {
    const found = reader.feed(chunk);
    if (found === undefined) continue;
    // an error may come before the end, with a cut behind it
    if (typeof found === "string") return found;
    const rest = Buffer.concat([found.rest, ...chunks.slice(at + 1)]);
    return `${shown(found.header)} ${rest.toString("latin1")}`;
  }
  return "more";
}

const shown = (header: ProxyHeader): string =>
  header.kind === "none" ? "none" : `${header.address} ${header.port}`;

const SIGNATURE = "0d0a0d0a000d0a515549540a";
const v2 = (hex: string, behind = ""): Buffer =>
  Buffer.concat([Buffer.from(SIGNATURE + hex.replaceAll(" ", ""), "hex"), Buffer.from(behind, "latin1")]);

const MALFORMED = "the PROXY line is malformed";
const KIND = "the PROXY header is of an unknown kind";
const NOT = "it does not begin with a PROXY header";

test("ProxyReader reads version 1, and nothing that is nearly it", () => {
  const long = `PROXY UNKNOWN ${"x".repeat(91)}`;
  assert.equal(long.length, 105);
  for (const [line, wanted] of [
    ["PROXY TCP4 192.0.2.1 198.51.100.2 40000 25\r\nEHLO x\r\n", "192.0.2.1 40000 EHLO x\r\n"],
    ["PROXY TCP4 192.0.2.1 198.51.100.2 0 65535\r\n", "192.0.2.1 0 "],
    ["PROXY TCP6 2001:db8::1 2001:DB8::2 40000 25\r\nx", "2001:db8::1 40000 x"],
    ["PROXY TCP6 2001:DB8:0:0:0:0:0:1 ::1 1 2\r\n", "2001:db8::1 1 "],
    ["PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "192.0.2.1 1 "],
    ["PROXY UNKNOWN\r\nx", "none x"],
    ["PROXY UNKNOWN what ever\r\n", "none "],
    [`${long}\r\n`, "none "],
    [`${long}x\r\n`, "the PROXY line is too long"],
    ["PROXY TCP4 192.0.2.1 198.51.100.2 40000 25\n", "more"],
    ["PROXY TCP4 192.0.2.1 198.51.100.2 40000 65536\r\n", MALFORMED],
    ["PROXY TCP4 192.0.2.1 198.51.100.2 040 25\r\n", MALFORMED],
    ["PROXY TCP4 192.0.2.1 198.51.100.2 -1 25\r\n", MALFORMED],
    ["PROXY TCP4 192.0.2.1 198.51.100.2 40000\r\n", MALFORMED],
    ["PROXY TCP4 192.0.2.1 198.51.100.2 40000 25 1\r\n", MALFORMED],
    ["PROXY TCP4  192.0.2.1 198.51.100.2 40000 25\r\n", MALFORMED],
    ["PROXY TCP4 192.0.2.256 198.51.100.2 40000 25\r\n", MALFORMED],
    ["PROXY TCP4 2001:db8::1 2001:db8::2 40000 25\r\n", MALFORMED],
    ["PROXY TCP6 192.0.2.1 198.51.100.2 40000 25\r\n", MALFORMED],
    ["PROXY TCP6 fe80::1%eth0 ::1 40000 25\r\n", MALFORMED],
    ["PROXY UDP4 192.0.2.1 198.51.100.2 40000 25\r\n", MALFORMED],
    ["PROXY \r\n", MALFORMED],
    ["PROXYTCP4", NOT],
    ["proxy TCP4", NOT],
    ["EHLO x\r\n", NOT],
    ["PROXY TCP4 192.0.2.1", "more"],
    ["", "more"],
  ] as const)
    assert.equal(everySplit(Buffer.from(line, "latin1"), read), wanted, line);
});

test("ProxyReader reads version 2: addresses of both kinds, LOCAL, and extensions that it skips", () => {
  const v4 = "c0000201 c6336402 9c40 0019";
  const v6 = "20010db8000000000000000000000001 20010db8000000000000000000000002 9c40 0019";
  const mapped = "00000000000000000000ffffc0000201 00000000000000000000000000000001 0001 0002";
  const tlv = "04 0003 616263";
  for (const [bytes, wanted] of [
    [v2(`21 11 000c ${v4}`, "EHLO x\r\n"), "192.0.2.1 40000 EHLO x\r\n"],
    [v2(`21 11 0012 ${v4} ${tlv}`, "x"), "192.0.2.1 40000 x"],
    [v2(`21 21 0024 ${v6}`, "x"), "2001:db8::1 40000 x"],
    [v2(`21 21 0024 ${mapped}`, "x"), "192.0.2.1 1 x"],
    [v2("20 00 0000", "x"), "none x"],
    [v2(`20 11 000c ${v4}`, "x"), "none x"],
    [v2(`20 ff 0006 ${tlv}`, "x"), "none x"],
    [v2("21 00 0000", "x"), "none x"],
    [v2(`21 00 0006 ${tlv}`, "x"), "none x"],
    [v2(`21 31 00d8 ${"61".repeat(216)}`, "x"), "none x"],
    [v2(`21 11 000b ${v4}`), "the PROXY header is too short for IPv4"],
    [v2(`21 21 0023 ${v6}`), "the PROXY header is too short for IPv6"],
    [v2(`21 31 00d7 ${"61".repeat(216)}`), "the PROXY header is too short for Unix"],
    [v2(`21 12 000c ${v4}`), KIND],
    [v2("22 11 000c"), KIND],
    [v2("11 11 000c"), KIND],
    [v2("21 11 000c c0000201"), "more"],
    [v2(`21 11 0012 ${v4} 04 0003`), "more"],
    [Buffer.from("\r\n\r\nEHLO"), NOT],
    [Buffer.from(SIGNATURE.slice(0, 20), "hex"), "more"],
  ] as const)
    assert.equal(everySplit(bytes, read), wanted, bytes.toString("hex"));
});

test("ProxyReader keeps nothing of long extensions", () => {
  const reader = new ProxyReader();
  assert.equal(reader.feed(v2("21 11 ffff c0000201 c6336402 9c40 0019")), undefined);
  for (let left = 0xffff - 12; left > 1000; left -= 1000)
    assert.equal(reader.feed(Buffer.alloc(1000)), undefined);
  const found = reader.feed(Buffer.alloc(1000, "x"));
  assert.ok(typeof found === "object" && found.rest.length < 1000);
});

test("ProxyReader never throws, and answers the same however the bytes are cut", () => {
  const start = fc.constantFrom(
    "PROXY ",
    "PROXY TCP4 1.2.3.4 ",
    "\r\n\r\n\0\r\nQUIT\n",
    "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
  );
  const piece = fc.oneof(
    start,
    fc.constantFrom(" ", "\r\n", "TCP4", "TCP6", "UNKNOWN", "1.2.3.4", "::1", "25", "\0", "\xff"),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      everySplit(Buffer.from(pieces.join(""), "latin1"), read);
    }),
    { numRuns: 500 },
  );
});
