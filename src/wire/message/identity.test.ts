import assert from "node:assert/strict";
import test from "node:test";
import { IDENTITY, identityOf } from "./identity.ts";

const of = (text: string) => identityOf(Buffer.from(text));

test("a message is the same whatever stands in front of it, and another one when its Message-ID is", () => {
  const one = of("From: a@b.test\r\nMessage-ID: <1@b.test>\r\nSubject: x\r\n\r\n");
  assert.match(one ?? "", new RegExp(`^[\\w-]{${IDENTITY}}$`));
  assert.equal(
    of("X-Kenro-Refused: 550\r\nReceived: x\r\nfrom: c@d.test\r\nmessage-id:\r\n <1@b.test>\r\n\r\n"),
    one,
  );
  assert.notEqual(of("Message-ID: <2@b.test>\r\n\r\n"), one);
  const named = of("From: a@b.test\r\nDate: today\r\nSubject: x\r\n\r\n");
  assert.ok(named);
  assert.notEqual(of("From: a@b.test\r\nDate: today\r\nSubject: y\r\n\r\n"), named);
  assert.equal(of("Received: x\r\n\r\n"), undefined);
  assert.equal(of(""), undefined);
});
