import assert from "node:assert/strict";
import test from "node:test";
import {
  badBody,
  badLine,
  badRecipient,
  badSender,
  ehlo,
  notQueued,
  queued,
  replies,
  unknownParam,
} from "./replies.ts";
import { reply } from "./reply.ts";

test("reply() formats one line, several, and none", () => {
  assert.equal(reply(250, "2.0.0", "Ok").wire, "250 2.0.0 Ok\r\n");
  assert.equal(reply(250, "", "a", "b", "c").wire, "250-a\r\n250-b\r\n250 c\r\n");
  assert.equal(reply(214, "2.0.0", "a", "b").wire, "214-2.0.0 a\r\n214 2.0.0 b\r\n");
  assert.equal(reply(334, "", "").wire, "334 \r\n");
  assert.equal(reply(334, "").wire, "334 \r\n");
});

test("reply() lets no text break its line, and none be longer than 512 octets", () => {
  assert.equal(reply(550, "5.0.0", "a\r\n250 b\0\u00e9").wire, "550 5.0.0 a?250 b?\r\n");
  for (const length of [499, 500, 501, 5000])
    assert.equal(reply(550, "5.0.0", "x".repeat(length)).wire.length, Math.min(length + 12, 512));
});

test("each reply of the catalogue has the enhanced code of its class, where RFC 2034 wants one", () => {
  const offer = { hostname: "h.test", maxSize: 1, starttls: true, auth: true };
  const all = [
    ...Object.values(replies),
    ...(["bareLf", "bareCr", "nul", "long"] as const).map(badLine),
    ...(["bareLf", "bareCr", "nul"] as const).map(badBody),
    ...(["syntax", "local", "domain", "long", "nonAscii"] as const).flatMap((each) => [
      badSender(each),
      badRecipient(each),
    ]),
    ...(["full", "later", "never"] as const).map((each) => notQueued(each, "x")),
    queued("m-1"),
    unknownParam("X"),
  ];
  assert.ok(all.length > 60);
  for (const { code, wire } of all) {
    assert.match(wire, /^(?:\d{3}[ -][ -~]*\r\n)+$/);
    const kind = Math.floor(code / 100);
    if (kind === 3) assert.doesNotMatch(wire, /^\d{3} \d\.\d/);
    else assert.match(wire, new RegExp(`^${code} ${kind}\\.\\d{1,2}\\.\\d{1,2} `));
  }
  assert.doesNotMatch(ehlo(offer).wire, /\d\.\d\.\d/);
});
