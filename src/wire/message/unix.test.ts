import assert from "node:assert/strict";
import test from "node:test";
import { everySplit } from "#test/support/everysplit.ts";
import { ToUnix, ToWire, toUnix, toWire } from "./unix.ts";

const rows: [wire: string, disk: string][] = [
  ["", ""],
  ["a\r\n", "a\n"],
  ["a\r\n\r\nb\r\n", "a\n\nb\n"],
  ["no end", "no end"],
  ["\r", "\r"],
  ["\r\r\n", "\r\n"],
  ["a\nb", "a\nb"],
  ["\xe4\xff\0\r\n", "\xe4\xff\0\n"],
  ["a\r\n\r", "a\n\r"],
];

test("CRLF becomes LF, and nothing else changes", () => {
  for (const [wire, disk] of rows) {
    const bytes = Buffer.from(wire, "latin1");
    assert.equal(toUnix(bytes).toString("latin1"), disk, JSON.stringify(wire));
    const fed = everySplit(bytes, (chunks) => {
      const codec = new ToUnix();
      return Buffer.concat([...chunks.map((chunk) => codec.feed(chunk)), codec.end()]).toString("latin1");
    });
    assert.equal(fed, disk, JSON.stringify(wire));
  }
});

const back: [disk: string, wire: string][] = [
  ["", ""],
  ["\n", "\r\n"],
  ["a\nb\n", "a\r\nb\r\n"],
  ["a\r\nb\n", "a\r\nb\r\n"],
  ["\r\n\n\r\n", "\r\n\r\n\r\n"],
  ["no end\r", "no end\r"],
  ["\xe4\xff\0\n", "\xe4\xff\0\r\n"],
];

test("LF becomes CRLF, and a CRLF stays one", () => {
  for (const [disk, wire] of back) {
    const bytes = Buffer.from(disk, "latin1");
    assert.equal(toWire(bytes).toString("latin1"), wire, JSON.stringify(disk));
    const fed = everySplit(bytes, (chunks) => {
      const codec = new ToWire();
      return Buffer.concat(chunks.map((chunk) => codec.feed(chunk))).toString("latin1");
    });
    assert.equal(fed, wire, JSON.stringify(disk));
  }
});
