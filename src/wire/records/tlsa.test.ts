import assert from "node:assert/strict";
import test from "node:test";
import { formatTlsa, isUsable, type Tlsa, tlsaName, usableRecords } from "./tlsa.ts";

const of = (text: string): Tlsa => {
  const [usage, selector, matching, hex = ""] = text.split(" ");
  return {
    usage: Number(usage),
    selector: Number(selector),
    matching: Number(matching),
    data: Buffer.from(hex, "hex"),
  };
};

const H256 = "aa".repeat(32);
const H512 = "bb".repeat(64);

test("isUsable() takes what RFC 7672 lets count for SMTP", () => {
  const rows: readonly [record: string, usable: boolean][] = [
    [`3 1 1 ${H256}`, true],
    [`2 0 2 ${H512}`, true],
    ["3 0 0 ab", true],
    ["3 0 0 ", false],
    [`0 1 1 ${H256}`, false],
    [`1 1 1 ${H256}`, false],
    [`4 1 1 ${H256}`, false],
    [`255 1 1 ${H256}`, false],
    [`3 2 1 ${H256}`, false],
    [`3 1 3 ${H256}`, false],
    [`3 1 1 ${H256}aa`, false],
    [`3 1 1 ${H256.slice(2)}`, false],
    [`3 1 2 ${H256}`, false],
  ];
  for (const [record, usable] of rows) assert.equal(isUsable(of(record)), usable, record);
});

test("usableRecords() leaves out a weaker hash where a stronger one says the same", () => {
  const texts = [
    `3 1 1 ${H256}`,
    `3 1 2 ${H512}`,
    "3 1 0 ab",
    `3 0 1 ${H256}`,
    `2 1 1 ${H256}`,
    `1 1 2 ${H512}`,
    "3 1 2 ab",
  ];
  assert.deepEqual(usableRecords(texts.map(of)).map(formatTlsa), [texts[1], texts[2], texts[3], texts[4]]);
  // a stronger one that cannot be used says nothing
  assert.deepEqual(usableRecords([texts[0], "3 1 2 ab"].map((text) => of(text ?? ""))).map(formatTlsa), [
    texts[0],
  ]);
});

test("tlsaName() is below the host", () => {
  assert.equal(tlsaName("mx.example.org", 25), "_25._tcp.mx.example.org");
  assert.equal(tlsaName("mx.example.org.", 2525), "_2525._tcp.mx.example.org");
});
