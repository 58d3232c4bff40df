import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { everySplit } from "#test/support/everysplit.ts";
import { isChange, parseAnswer } from "./answer.ts";
import {
  formatAbort,
  formatBody,
  formatConnect,
  formatData,
  formatEndOfHeader,
  formatEndOfMessage,
  formatHeader,
  formatHelo,
  formatMacros,
  formatMail,
  formatQuit,
  formatRcpt,
} from "./command.ts";
import { actions, formatOffer, parseNegotiation, steps } from "./negotiation.ts";
import { formatPacket, PacketReader } from "./packet.ts";

const MOST = 1000;
const bytes = (text: string) => Buffer.from(text, "latin1");

function packets(chunks: readonly Buffer[]): readonly string[] {
  const reader = new PacketReader(MOST);
  const found: string[] = [];
  for (const chunk of chunks) {
    reader.feed(chunk);
    for (let packet = reader.next(); packet; packet = reader.next())
      found.push(`${packet.kind} ${packet.data.toString("latin1")}`);
  }
  return reader.flaw === undefined ? found : [...found, `flaw: ${reader.flaw}`];
}

test("packets are the same however they are cut", () => {
  const stream = Buffer.concat([
    formatPacket("c"),
    formatPacket("h", "X-A\0", Buffer.from("b\0")),
    formatPacket("y", "550 no\0"),
    bytes("\0\0\0"),
  ]);
  assert.deepEqual(everySplit(stream, packets), ["c ", "h X-A\0b\0", "y 550 no\0"]);
});

test("a length that cannot be ends the stream, however it is cut", () => {
  for (const length of [0, MOST + 1, 0xffff_ffff]) {
    const bad = Buffer.alloc(4);
    bad.writeUInt32BE(length);
    const stream = Buffer.concat([formatPacket("c"), bad, formatPacket("c")]);
    assert.deepEqual(everySplit(stream, packets), ["c ", `flaw: a packet of ${length} bytes`]);
  }
});

test("commands, byte for byte", () => {
  const rows: readonly (readonly [Buffer, string])[] = [
    [formatOffer(), "\0\0\0\x0dO\0\0\0\x06\0\0\0\x21\0\x1f\xf7\xff"],
    [formatConnect("a.test", "192.0.2.1", 258), "\0\0\0\x15Ca.test\x004\x01\x02192.0.2.1\0"],
    [formatConnect("a", "2001:db8::1", 25), "\0\0\0\x17Ca\x006\0\x19IPv6:2001:db8::1\0"],
    [formatConnect("a", "", 0), "\0\0\0\x04Ca\0U"],
    [formatHelo("a\0b"), "\0\0\0\x04Hab\0"],
    [formatMail("", "SIZE=5"), "\0\0\0\x0bM<>\0SIZE=5\0"],
    [formatRcpt("a@b"), "\0\0\0\x07R<a@b>\0"],
    [formatData(), "\0\0\0\x01T"],
    [formatHeader(bytes("Subject"), bytes(" x\n y")), "\0\0\0\x0fLSubject\0 x\n y\0"],
    [formatEndOfHeader(), "\0\0\0\x01N"],
    [formatBody(bytes("a\r\n")), "\0\0\0\x04Ba\r\n"],
    [formatEndOfMessage(), "\0\0\0\x01E"],
    [formatAbort(), "\0\0\0\x01A"],
    [formatQuit(), "\0\0\0\x01Q"],
    [formatMacros("C", { j: "m.test", "{x}": undefined, "{y}": "" }), "\0\0\0\x10DCj\0m.test\0{y}\0\0"],
  ];
  for (const [made, wanted] of rows) assert.equal(made.toString("latin1"), wanted);
});

function negotiation(version: number, wanted: number, chosen: number): string {
  const data = Buffer.alloc(12);
  data.writeUInt32BE(version, 0);
  data.writeUInt32BE(wanted, 4);
  data.writeUInt32BE(chosen >>> 0, 8);
  const parsed = parseNegotiation({ kind: "O", data });
  return parsed.ok ? `${parsed.value.actions} ${parsed.value.steps}` : parsed.error;
}

test("negotiation: what cannot be done is refused in words", () => {
  const rows: readonly (readonly [number, number, number, string])[] = [
    [6, 0, 0, "0 0"],
    [2, actions.addHeader, steps.noBody | steps.noHelo, `1 ${steps.noBody | steps.noHelo}`],
    [6, actions.quarantine, steps.silentBody | steps.skip, `32 ${steps.silentBody | steps.skip}`],
    [6, actions.changeBody, 0, "wants to change the body, which we cannot do"],
    [
      6,
      actions.addRecipient | actions.addRecipientWithParameters | actions.changeSender,
      0,
      "wants to add recipients, change the sender, which we cannot do",
    ],
    [6, 0x8000, 0, "wants to do what nobody knows (0x8000)"],
    [6, 0, steps.rejectedRcpt, "wants steps that were not offered (0x800)"],
    [6, 0, 0x8000_0000, "wants steps that were not offered (0x80000000)"],
    [1, 0, 0, "speaks version 1 of the milter protocol"],
    [7, 0, 0, "speaks version 7 of the milter protocol"],
  ];
  for (const [version, wanted, chosen, said] of rows)
    assert.equal(negotiation(version, wanted, chosen), said);
  for (const packet of [
    { kind: "c", data: Buffer.alloc(12) },
    { kind: "O", data: Buffer.alloc(11) },
  ])
    assert.equal(parseNegotiation(packet).ok, false);
});

test("answers", () => {
  const reply = (code: number, enhanced: string, text: string) => ({ kind: "reply", code, enhanced, text });
  const rows: readonly (readonly [kind: string, data: string, wanted: unknown])[] = [
    ["c", "", { kind: "continue" }],
    ["a", "", { kind: "accept" }],
    ["r", "", { kind: "reject" }],
    ["t", "", { kind: "tempfail" }],
    ["f", "", { kind: "tempfail" }],
    ["4", "", { kind: "tempfail" }],
    ["d", "", { kind: "discard" }],
    ["s", "", { kind: "skip" }],
    ["p", "", { kind: "progress" }],
    ["y", "550 5.7.1 no way\0", reply(550, "5.7.1", "no way")],
    ["y", "451 later\0", reply(451, "4.7.1", "later")],
    ["y", "550 4.7.1 no\0", reply(550, "5.7.1", "no")],
    ["y", "554\0", reply(554, "5.7.1", "")],
    ["y", "550-5.7.1 100%% no\r\n550 5.7.1 at all\0", reply(550, "5.7.1", "100% no at all")],
    ["y", "250 fine\0", "answers with a reply that is none"],
    ["y", "55", "answers with a reply that is none"],
    ["y", "", "answers with a reply that is none"],
    ["h", "X-A\0 b\0", { kind: "addHeader", name: "X-A", value: " b" }],
    ["h", "X-A\0\0", { kind: "addHeader", name: "X-A", value: "" }],
    ["h", "X A\0b\0", "adds a field whose name is none"],
    ["h", "X:\0b\0", "adds a field whose name is none"],
    ["h", "", "adds a field whose name is none"],
    ["i", "\0\0\0\x01X-A\0b\0", { kind: "addHeader", name: "X-A", value: "b" }],
    ["i", "\0\0", "adds a field nowhere"],
    ["q", "virus\0", { kind: "quarantine", why: "virus" }],
    ["q", "", { kind: "quarantine", why: "" }],
    ["b", "new body", 'says what was not agreed on ("b")'],
    ["\x01", "", 'says what was not agreed on ("0x1")'],
  ];
  for (const [kind, data, wanted] of rows) {
    const answer = parseAnswer({ kind, data: bytes(data) });
    assert.deepEqual(answer.ok ? answer.value : answer.error, wanted, `${kind} ${data}`);
  }
  assert.equal(isChange({ kind: "progress" }), true);
  assert.equal(isChange({ kind: "continue" }), false);
});

test("garbage is a value", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), (garbage, kind) => {
      packets([Buffer.from(garbage)]);
      parseAnswer({ kind: kind.slice(0, 1), data: Buffer.from(garbage) });
      parseNegotiation({ kind: "O", data: Buffer.from(garbage) });
    }),
  );
});
