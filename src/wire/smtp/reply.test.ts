import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import {
  badBody,
  badLine,
  badParams,
  badRecipient,
  badSender,
  chunkTaken,
  ehlo,
  greeting,
  helo,
  help,
  notAdmitted,
  notQueued,
  queued,
  replies,
  unknownParam,
} from "./replies.ts";
import { type Reply, refusalWire, reply } from "./reply.ts";

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

test("refusalWire() ends with the session and whom to ask", () => {
  const refusal = reply(550, "5.1.1", "No such user here");
  assert.equal(refusalWire(refusal, "s1-a", ""), "550 5.1.1 No such user here [s1-a]\r\n");
  assert.equal(
    refusalWire(refusal, "s1-a", "https://x.test/help"),
    "550 5.1.1 No such user here [s1-a] https://x.test/help\r\n",
  );
  assert.equal(refusalWire(refusal, "s1", "a\r\n250 Ok"), "550 5.1.1 No such user here [s1] a?250 Ok\r\n");
  const long = "x".repeat(500);
  assert.equal(
    refusalWire(reply(554, "5.6.0", long), "s1", "ask"),
    `554-5.6.0 ${long}\r\n554 5.6.0 [s1] ask\r\n`,
  );
});

const offer = ["PIPELINING", "SIZE 1", "AUTH PLAIN LOGIN"];
const plain: readonly Reply[] = [greeting("h.test"), helo("h.test"), ehlo("h.test", offer)];
const long = "x".repeat(5000);
const catalogue: readonly Reply[] = [
  ...Object.values(replies),
  ...(["bareLf", "bareCr", "nul", "long"] as const).map(badLine),
  ...(["bareLf", "bareCr", "nul"] as const).map(badBody),
  ...(["syntax", "local", "domain", "long", "nonAscii"] as const).flatMap((each) => [
    badSender(each),
    badRecipient(each),
  ]),
  ...(["full", "later", "never"] as const).flatMap((each) => [notQueued(each, "x"), notQueued(each, long)]),
  queued("m-1"),
  chunkTaken(Number.MAX_SAFE_INTEGER),
  help(["EHLO", "HELO"]),
  badParams(`\u00e4${long}`),
  unknownParam(`X\r\n${long}`),
  ...["stranger", "address", "networkRate", "connections"].map((why) => notAdmitted("h.test", why)),
];

/** RFC 5321 §4.2.1, §4.5.3.1.5; RFC 2034 §4. */
function assertWellFormed(wire: string, code: number): void {
  const lines = wire.split("\r\n");
  assert.equal(lines.pop(), "", "ends with CR LF");
  for (const [at, line] of lines.entries()) {
    assert.ok(line.length <= 510, `${line.length}: ${line}`);
    const separator = at === lines.length - 1 ? " " : "-";
    assert.match(line, new RegExp(`^${code}${separator}[ -~]*$`));
    const enhanced = /^\d{3}[ -](\d)\.\d{1,3}\.\d{1,3} \S/.exec(line)?.[1];
    assert.equal(enhanced, code >= 300 && code < 400 ? undefined : String(code)[0], line);
  }
}

test("each reply of the catalogue is well formed, with the enhanced code of its class where RFC 2034 wants one", () => {
  assert.ok(catalogue.length > 90);
  for (const { code, wire, text, enhanced } of catalogue) {
    assertWellFormed(wire, code);
    assert.match(text, /^[ -~]*$/);
    if (enhanced !== "") assert.equal(enhanced[0], String(code)[0], wire);
  }
  for (const { wire } of plain) assert.doesNotMatch(wire, /\d\.\d\.\d/);
});

test("each refusal stays well formed with a session and the longest text of whom to ask", () => {
  const refusals = catalogue.filter(({ code }) => code >= 400);
  for (const contact of ["", "y".repeat(limits.smtp.contact)])
    for (const each of refusals) {
      const wire = refusalWire(each, "s".repeat(40), contact);
      assertWellFormed(wire, each.code);
      assert.ok(wire.endsWith(`[${"s".repeat(40)}]${contact === "" ? "" : ` ${contact}`}\r\n`), wire);
    }
  // ours fit into one line whatever the site says
  for (const each of Object.values(replies))
    if (each.code >= 400) {
      const wire = refusalWire(each, "s".repeat(40), "y".repeat(limits.smtp.contact));
      assert.equal(wire.split("\r\n").length, 2, each.text);
    }
});

test("no two texts of the catalogue say the same with other codes", () => {
  const seen = new Map<string, string>();
  for (const { code, enhanced, text } of Object.values(replies)) {
    const key = `${text} ${Math.floor(code / 100)}`;
    const before = seen.get(key);
    if (text !== "" && before !== undefined) assert.equal(`${code} ${enhanced}`, before, text);
    seen.set(key, `${code} ${enhanced}`);
  }
});
