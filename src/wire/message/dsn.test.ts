import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import { formatReport, headerSection, type Report } from "./dsn.ts";

const report: Report = {
  kind: "failed",
  hostname: "mx.here.test",
  to: "ann@far.test",
  id: "k1-1",
  date: Date.UTC(2026, 0, 2),
  arrived: Date.UTC(2026, 0, 1),
  until: Date.UTC(2026, 0, 8),
  recipients: [{ address: "bob@here.test", code: "5.1.1", text: "No such user" }],
  original: { bytes: Buffer.from("Subject: x\r\n\r\nbody\r\n"), whole: true },
};

const lines = (wanted: Report) => formatReport(wanted).toString("latin1").split("\r\n");

test("a bounce is a multipart/report with a text, a status and the original", () => {
  const text = formatReport(report).toString();
  const boundary = /boundary="([^"]+)"/.exec(text)?.[1] ?? "none";
  const parts = text.split(`--${boundary}`);
  assert.equal(parts.length, 5);
  assert.match(
    parts[0] ?? "",
    /^Date: Fri, 02 Jan 2026 00:00:00 \+0000\r\nFrom: Mail Delivery System <MAILER-DAEMON@mx\.here\.test>\r\n/,
  );
  assert.match(parts[0] ?? "", /\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1\.0\r\n/);
  assert.match(parts[1] ?? "", /<bob@here\.test>:\r\n {4}No such user\r\n/);
  assert.equal(
    parts[2],
    [
      "",
      "Content-Type: message/delivery-status",
      "",
      "Reporting-MTA: dns; mx.here.test",
      "Arrival-Date: Thu, 01 Jan 2026 00:00:00 +0000",
      "",
      "Final-Recipient: rfc822; bob@here.test",
      "Action: failed",
      "Status: 5.1.1",
      "Diagnostic-Code: x-kenro; No such user",
      "",
      "",
    ].join("\r\n"),
  );
  assert.equal(parts[3], "\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nbody\r\n\r\n");
  assert.equal(parts[4], "--\r\n");
});

test("nothing that anybody sent can add a line, a field or a part", () => {
  const evil = `x\r\nBcc: all@x.test\r\n\r\n--=_k1-1_0\r\n\u0000\u00fc\t${"w".repeat(2000)}`;
  const wanted = lines({
    ...report,
    to: `${evil}@far.test`.slice(0, 60),
    recipients: [{ address: evil, code: "5.1.1\r\nX: y", text: evil }],
    original: { bytes: Buffer.from("Subject: x\r\n\r\n--=_k1-1_0--\r\n"), whole: true },
  });
  assert.ok(!wanted.some((line) => /^(Bcc|X):/.test(line)));
  assert.ok(wanted.includes("Status: 5.0.0"));
  // the boundary is one that the original does not have
  assert.ok(wanted.includes(' boundary="=_k1-1_1"'));
  assert.ok(wanted.every((line) => /^[ -~]*$/.test(line)));
});

test("what a server said is smtp, a delay says until when, and 8-bit originals are declared", () => {
  const rows: [Partial<Report>, string][] = [
    [
      { recipients: [{ address: "b@x.test", code: "5.7.1", text: "554 No" }] },
      "Diagnostic-Code: smtp; 554 No",
    ],
    [{ kind: "delayed" }, "Will-Retry-Until: Thu, 08 Jan 2026 00:00:00 +0000"],
    [{ kind: "delayed" }, "Action: delayed"],
    [{ kind: "double" }, "Subject: A bounce could not be delivered"],
    [{ original: { bytes: Buffer.from([0xfc]), whole: true } }, "Content-Transfer-Encoding: 8bit"],
    [{ original: { bytes: Buffer.from("A: b\r\n"), whole: false } }, "Content-Type: text/rfc822-headers"],
  ];
  for (const [more, line] of rows) assert.ok(lines({ ...report, ...more }).includes(line), line);
  assert.ok(!lines({ ...report, original: undefined }).includes("Content-Type: message/rfc822"));
});

test("a report about very many fits into an inline body, with its original", () => {
  const recipients = Array.from({ length: 5000 }, (_, n) => ({
    address: `user${n}@${"d".repeat(240)}.test`,
    code: "5.1.1",
    text: "x".repeat(2000),
  }));
  const original = { bytes: Buffer.alloc(limits.queue.bounceCopy, "x"), whole: true };
  const bytes = formatReport({ ...report, recipients, original });
  assert.ok(bytes.length <= limits.queue.inlineBody, `${bytes.length} bytes`);
  assert.match(bytes.toString(), /and 4950 more\./);
});

test("a header section ends with its last whole line", () => {
  const rows: [string, number, string][] = [
    ["A: b\r\nC: d\r\n\r\nbody", 100, "A: b\r\nC: d\r\n"],
    ["A: b\r\nC: d\r\n\r\nbody", 12, "A: b\r\nC: d\r\n"],
    ["A: b\r\nC: d\r\n\r\nbody", 11, "A: b\r\n"],
    ["A: b\r\nC: d", 100, "A: b\r\n"],
    ["\r\n\r\nbody", 100, "\r\n"],
    ["nothing", 4, "noth"],
    ["", 4, ""],
  ];
  for (const [message, most, expected] of rows) {
    assert.equal(headerSection(Buffer.from(message), most).toString(), expected, JSON.stringify(message));
  }
});
