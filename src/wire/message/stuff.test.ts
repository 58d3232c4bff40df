import assert from "node:assert/strict";
import test from "node:test";
import { everySplit } from "#test/support/everysplit.ts";
import { Stuffer } from "./stuff.ts";

const rows: [body: string, sent: string][] = [
  ["", ".\r\n"],
  ["a\r\n", "a\r\n.\r\n"],
  ["no end", "no end\r\n.\r\n"],
  [".", "..\r\n.\r\n"],
  [".\r\n", "..\r\n.\r\n"],
  ["..\r\n", "...\r\n.\r\n"],
  ["a\r\n.\r\n.b\r\nc.d\r\n", "a\r\n..\r\n..b\r\nc.d\r\n.\r\n"],
  ["\r\n\r\n", "\r\n\r\n.\r\n"],
  ["bare\nlf\n", "bare\r\nlf\r\n.\r\n"],
  ["bare\rcr", "bare\r\ncr\r\n.\r\n"],
  ["a\r", "a\r\n.\r\n"],
  ["a\r\r\n", "a\r\n\r\n.\r\n"],
  ["\r", "\r\n.\r\n"],
  ["a\n.\nQUIT\r\n", "a\r\n..\r\nQUIT\r\n.\r\n"],
  ["a\r.\rQUIT\r\n", "a\r\n..\r\nQUIT\r\n.\r\n"],
  ["a\r\n.\rb", "a\r\n..\r\nb\r\n.\r\n"],
  ["a\n\r\nb\r\n", "a\r\n\r\nb\r\n.\r\n"],
  ["\xe4\0\xff\r\n", "\xe4\0\xff\r\n.\r\n"],
];

test("a body leaves with doubled dots, CRLF everywhere and one end", () => {
  for (const [body, sent] of rows) {
    const out = everySplit(Buffer.from(body, "latin1"), (chunks) => {
      const stuffer = new Stuffer();
      return Buffer.concat([...chunks.map((chunk) => stuffer.feed(chunk)), stuffer.end()]).toString("latin1");
    });
    assert.equal(out, sent, JSON.stringify(body));
  }
});

test("whatever is fed, no bare CR or LF leaves and the end stands only at the end", () => {
  const alphabet = ["\r", "\n", ".", "a"];
  for (let n = 0; n < 4 ** 7; n++) {
    const body = Array.from({ length: 7 }, (_, at) => alphabet[Math.floor(n / 4 ** at) % 4]).join("");
    const stuffer = new Stuffer();
    const cut = n % 8;
    const bytes = Buffer.from(body);
    const parts = [stuffer.feed(bytes.subarray(0, cut)), stuffer.feed(bytes.subarray(cut)), stuffer.end()];
    const sent = Buffer.concat(parts).toString("latin1");
    assert.doesNotMatch(sent, /\r(?!\n)|(?<!\r)\n/, JSON.stringify(body));
    assert.equal(`\r\n${sent}`.indexOf("\r\n.\r\n"), sent.length - 3, JSON.stringify(body));
  }
});

test("a chunk that needs nothing is sent as it is", () => {
  const chunk = Buffer.from("a\r\nb\r\n");
  assert.equal(new Stuffer().feed(chunk), chunk);
});
