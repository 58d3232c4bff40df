import assert from "node:assert/strict";
import test from "node:test";
import { type Author, prepareMessage, readRecipients } from "./outgoing.ts";

const author: Author = {
  domain: "d.test",
  address: "ann@d.test",
  name: "",
  time: 0,
  unique: "u",
  hostname: "h.test",
};

const DATE = "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n";
const ID = "Message-ID: <u@h.test>\r\n";
const FROM = "From: ann@d.test\r\n";
const NOBODY = "To: undisclosed-recipients:;\r\n";

const prepared = (input: string, more: Partial<Author> = {}) => {
  const found = prepareMessage(Buffer.from(input), { ...author, ...more });
  assert.ok(found.ok, found.ok ? "" : found.error);
  return { ...found.value, message: found.value.message.toString("utf8") };
};

const rows: readonly (readonly [what: string, given: string, made: string])[] = [
  ["nothing", "", `${DATE}${ID}${FROM}${NOBODY}\r\n`],
  ["a body alone", "\nhello\n", `${DATE}${ID}${FROM}${NOBODY}\r\nhello\r\n`],
  [
    "a body without an empty line before it",
    "hello world\n",
    `${DATE}${ID}${FROM}${NOBODY}\r\nhello world\r\n`,
  ],
  ["a header alone", "To: bob@x.test\n", `${DATE}${ID}${FROM}To: bob@x.test\r\n\r\n`],
  [
    "a line that is no field",
    "To: bob\nSubject: x\nhello\nmore: x\n",
    `${DATE}${ID}${FROM}To: bob@d.test\r\nSubject: x\r\n\r\nhello\r\nmore: x\r\n`,
  ],
  [
    "everything that is needed",
    `${DATE}Message-Id: <x@y>\r\nFrom: root (Cron)\r\nTo: Bob <bob>\r\n\r\nx`,
    `${DATE}Message-Id: <x@y>\r\nFrom: root@d.test (Cron)\r\nTo: Bob <bob@d.test>\r\n\r\nx\r\n`,
  ],
  [
    "fields that are not sent",
    `${DATE}${ID}${FROM}Bcc: a@x.test,\n b@x.test\nReturn-Path: <x>\nCc: c@x.test\n\n`,
    `${DATE}${ID}${FROM}Cc: c@x.test\r\n\r\n`,
  ],
  [
    "an mbox line",
    "From ann Thu Jan  1 00:00:00 1970\nTo: b@x.test\n\n",
    `${DATE}${ID}${FROM}To: b@x.test\r\n\r\n`,
  ],
  [
    "all line ends",
    "To: b@x.test\r\n\r\na\nb\rc\0d",
    `${DATE}${ID}${FROM}To: b@x.test\r\n\r\na\r\nb\r\ncd\r\n`,
  ],
];

for (const [what, given, made] of rows) {
  test(`prepareMessage() completes ${what}, and nothing the second time`, () => {
    assert.equal(prepared(given).message, made);
    assert.equal(prepared(made).message, made);
  });
}

test("prepareMessage() writes names as words, quoted or encoded", () => {
  const from = (name: string) => /From: .*(?:\r\n .*)*/.exec(prepared("", { name }).message)?.[0];
  assert.equal(from("Ann Example"), "From: Ann Example <ann@d.test>");
  assert.equal(from('A. "x" B'), 'From: "A. \\"x\\" B" <ann@d.test>');
  assert.equal(from("Änn\nBcc: x@y"), "From: =?utf-8?B?w4RubiBCY2M6IHg=?=\r\n =?utf-8?B?QHk=?= <ann@d.test>");
});

test("RFC 5322 §3.6.6: a message that is sent again goes to those whom it is sent to now", () => {
  const again = prepared(`${DATE}${ID}${FROM}To: old@x.test\nResent-To: new@x.test\nResent-Bcc: hid\n\n`);
  assert.deepEqual(again.recipients, { ok: true, value: ["new@x.test", "hid@d.test"] });
  assert.match(
    again.message,
    /^Resent-Date: .*\r\nResent-Message-ID: <u@h.test>\r\nResent-From: ann@d.test\r\nDate/,
  );
  assert.doesNotMatch(again.message, /hid/);
});

test("prepareMessage() finds everybody in To, Cc and Bcc, groups and quotes too", () => {
  const { recipients } = prepared(
    'To: "A, B" <a@x.test>, g: b, c@X.test;\nCc: "q q"@x.test\nBcc: d\nbcc: e\n\n',
  );
  const value = ["a@x.test", "b@d.test", "c@x.test", '"q q"@x.test', "d@d.test", "e@d.test"];
  assert.deepEqual(recipients, { ok: true, value });
});

test("prepareMessage() says which address is none", () => {
  const { recipients } = prepared("To: a@x.test, b@@y\n\n");
  assert.match(recipients.ok ? "" : recipients.error, /^Cannot read To: /);
});

test("prepareMessage() stops a message that runs in a circle", () => {
  assert.equal(prepareMessage(Buffer.from("Received: x\n".repeat(101)), author).ok, false);
});

test("prepareMessage() tells 8-bit messages", () => {
  assert.equal(prepared("To: a@x.test\n\nä").eightBit, true);
  assert.equal(prepared("To: a@x.test\n\na").eightBit, false);
});

test("readRecipients() refuses what is no address", () => {
  for (const bad of ["a b", "a@", "@x.test", "a@b@x.test", "a@x..test", "<a@x.test"]) {
    assert.equal(readRecipients(bad, "d.test").ok, false, bad);
  }
  assert.deepEqual(readRecipients(`a, ${"ä"}@x.test`, "d.test"), {
    ok: true,
    value: ["a@d.test", "ä@x.test"],
  });
});
