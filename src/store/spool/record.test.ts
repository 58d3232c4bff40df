import assert from "node:assert/strict";
import test from "node:test";
import {
  BLOCK,
  END,
  FIRST,
  formatHeader,
  formatMessage,
  formatNote,
  isRecord,
  messageParts,
  PROGRESS,
  parseHeader,
  seal,
  seedOf,
  segmentName,
  segmentNumber,
  type Unsealed,
} from "./record.ts";

const life = { generation: 7, nonce: Buffer.from("lifelife"), floor: 1234 };

function sealed(record: Unsealed, generation = 7): Buffer {
  seal(record, life.nonce, seedOf(generation));
  const bytes = Buffer.concat(record.chunks);
  assert.equal(bytes.length, record.length);
  return bytes;
}

test("a header is read from either of its copies, and from the newer when they differ", () => {
  const header = formatHeader(life);
  assert.equal(header.length, FIRST);
  assert.deepEqual(parseHeader(header), life);
  for (const copy of [0, BLOCK]) {
    const spoilt = Buffer.from(header);
    spoilt.fill(0, copy, copy + 40);
    assert.deepEqual(parseHeader(spoilt), life, `copy at ${copy} is gone`);
  }
  const later = { ...life, generation: 8 };
  for (const [first, second] of [
    [life, later],
    [later, life],
  ] as const) {
    const mixed = Buffer.concat([
      formatHeader(first).subarray(0, BLOCK),
      formatHeader(second).subarray(BLOCK),
    ]);
    assert.deepEqual(parseHeader(mixed), later);
  }
});

test("a header with any byte changed in both copies is none", () => {
  for (let at = 0; at < 40; at++) {
    const header = formatHeader(life);
    for (const copy of [0, BLOCK]) header[copy + at] = (header[copy + at] ?? 0) ^ 1;
    assert.equal(parseHeader(header), undefined, `byte ${at}`);
  }
  assert.equal(parseHeader(Buffer.alloc(FIRST)), undefined);
  assert.equal(parseHeader(Buffer.alloc(0)), undefined);
});

test("a record is one only whole, unchanged, and in its own generation", () => {
  const rows: [string, Unsealed][] = [
    ["message", formatMessage('{"id":"x"}', [Buffer.from("Subject: x\r\n"), Buffer.from("\r\nbody")])],
    ["message without a body", formatMessage('{"id":"x"}', [])],
    ["progress", formatNote(PROGRESS, '{"id":"x"}')],
    ["end", formatNote(END, "x")],
    ["end of nothing", formatNote(END, "")],
  ];
  for (const [name, record] of rows) {
    const bytes = sealed(record);
    assert.equal(isRecord(bytes, seedOf(7)), true, name);
    assert.equal(isRecord(bytes, seedOf(8)), false, `${name} of another generation`);
    assert.equal(isRecord(bytes.subarray(0, -1), seedOf(7)), false, `${name} cut off`);
    assert.equal(isRecord(Buffer.concat([bytes, Buffer.alloc(1)]), seedOf(7)), false, `${name} too long`);
    for (let at = 8; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x10;
      assert.equal(isRecord(changed, seedOf(7)), false, `${name}, byte ${at} changed`);
    }
  }
});

test("the body starts where the place says", () => {
  const record = formatMessage('{"id":"ü"}', [Buffer.from("one"), Buffer.from("two")]);
  const bytes = sealed(record);
  assert.equal(bytes.subarray(record.body).toString(), "onetwo");
  assert.deepEqual(messageParts(bytes), { head: Buffer.from('{"id":"ü"}'), body: record.body });
  const tooLong = Buffer.from(bytes);
  tooLong.writeUInt32BE(1 << 30, 17);
  assert.equal(messageParts(tooLong), undefined);
  assert.equal(messageParts(sealed(formatNote(END, "x"))), undefined);
});

test("segment files have names that sort", () => {
  assert.equal(segmentName(0), "0000000000.seg");
  assert.equal(segmentName(12_345), "0000012345.seg");
  const rows: [string, number | undefined][] = [
    ["0000000000.seg", 0],
    ["9999999999.seg", 9_999_999_999],
    ["12.seg", undefined],
    ["0000000000.segx", undefined],
    ["lock", undefined],
  ];
  for (const [name, number] of rows) assert.equal(segmentNumber(name), number, name);
});
