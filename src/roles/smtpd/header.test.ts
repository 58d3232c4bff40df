import assert from "node:assert/strict";
import test from "node:test";
import { headerEnd, scanHeader, withoutSecrets } from "./header.ts";

const bytes = (text: string) => Buffer.from(text, "latin1");

test("headerEnd() finds the blank line, also where there is no field", () => {
  const rows: readonly (readonly [string, number, number])[] = [
    ["", 0, -1],
    ["\r\n", 0, 2],
    ["\r\nbody\r\n\r\n", 0, 2],
    ["A: b\r\n", 0, -1],
    ["A: b\r\n\r\n", 0, 8],
    ["A: b\r\n\r\nbody\r\n\r\n", 0, 8],
    ["A: b\r\n\r\n", -3, 8],
    ["A: b\r\n\r\n", 4, 8],
    ["A: b\r\n\r\n", 5, -1],
  ];
  for (const [text, from, end] of rows) assert.equal(headerEnd(bytes(text), from), end, JSON.stringify(text));
});

test("scanHeader() counts fields and hops, folded or not, in any case", () => {
  const header =
    "Received: from a\r\n\tby b\r\nRECEIVED : x\r\ndelivered-to: y\r\nX-Received: no\r\nSubject: Received: no\r\n Received: no\r\nno field here\r\n: none\r\n\r\n";
  const scan = scanHeader(bytes(header));
  assert.equal(scan.hops, 3);
  assert.equal(scan.fields, 5);
  assert.equal(scan.hasDate || scan.hasMessageId, false);
});

test("scanHeader() sees Date and Message-ID, not those of the resent block", () => {
  assert.equal(scanHeader(bytes("DATE: x\r\n\r\n")).hasDate, true);
  assert.equal(scanHeader(bytes("message-id : x\r\n\r\n")).hasMessageId, true);
  const resent = scanHeader(bytes("Resent-Date: x\r\nResent-Message-ID: y\r\nDates: z\r\n\r\n"));
  assert.equal(resent.hasDate || resent.hasMessageId, false);
});

const secrets: readonly (readonly [what: string, header: string, left: string])[] = [
  ["Bcc", "A: b\r\nBcc: x@y\r\nC: d\r\n\r\n", "A: b\r\nC: d\r\n\r\n"],
  ["folded Bcc", "bcc:\r\n x@y,\r\n\tz@y\r\nC: d\r\n\r\n", "C: d\r\n\r\n"],
  ["Resent-Bcc at the end", "A: b\r\nRESENT-BCC: x", "A: b\r\n"],
  ["two of them", "Bcc: x\r\nBcc: y\r\n\r\n", "\r\n"],
  ["nothing", "A: Bcc: x\r\n Bcc: y\r\nX-Bcc: z\r\n\r\n", "A: Bcc: x\r\n Bcc: y\r\nX-Bcc: z\r\n\r\n"],
];

for (const [what, header, left] of secrets) {
  test(`withoutSecrets() cuts ${what}`, () => {
    const parts = withoutSecrets(bytes(header), scanHeader(bytes(header)).secret);
    assert.equal(Buffer.concat(parts).toString("latin1"), left);
  });
}
