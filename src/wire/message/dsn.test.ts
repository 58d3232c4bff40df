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
  recipients: [{ address: "bob@here.test", action: "failed", code: "5.1.1", text: "No such user" }],
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
  for (const letter of ["", "\u00fc", "\u2028\u0085\u200b\u00fc"]) {
    const evil = `x\r\nBcc: all@x.test\r\n\r\n--=_k1-1_0\r\n\u0000${letter}\t${"w".repeat(2000)}`;
    const text = formatReport({
      ...report,
      to: `${evil}@far.test`.slice(0, 60),
      envid: evil,
      recipients: [
        { address: evil, action: "failed", code: "5.1.1\r\nX: y", text: evil, original: `rfc822;${evil}` },
      ],
      original: { bytes: Buffer.from("Subject: x\r\n\r\n--=_k1-1_0--\r\n"), whole: true },
    }).toString();
    const written = text.split("\r\n");
    assert.ok(!written.some((line) => /^(Bcc|X):/.test(line)));
    assert.ok(written.includes("Status: 5.0.0"));
    // the boundary is one that the original does not have
    assert.ok(written.includes(' boundary="=_k1-1_1"'));
    assert.ok(written.every((line) => (letter === "" ? /^[ -~]*$/ : /^[^\p{C}\p{Zl}\p{Zp}]*$/u).test(line)));
  }
});

test("a report tells each sort of news, and what the sender wrote beside it", () => {
  const wanted = lines({
    ...report,
    envid: "order 66=x",
    recipients: [
      {
        address: "a@x.test",
        action: "failed",
        code: "5.1.1",
        text: "mx.x.test [192.0.2.1] answered RCPT: 550 5.1.1 No such user",
        original: "rfc822;old@here.test",
      },
      { address: "b@here.test", action: "delivered", code: "2.0.0", text: "in the mailbox" },
      {
        address: "c@x.test",
        action: "relayed",
        code: "2.0.0",
        text: "[192.0.2.1] took it: 250 2.0.0 Queued",
      },
    ],
  });
  const from = wanted.indexOf("Content-Type: message/delivery-status");
  assert.deepEqual(wanted.slice(from + 2, wanted.indexOf("Content-Type: message/rfc822") - 1), [
    "Original-Envelope-Id: order 66=x",
    "Reporting-MTA: dns; mx.here.test",
    "Arrival-Date: Thu, 01 Jan 2026 00:00:00 +0000",
    "",
    "Original-Recipient: rfc822; old@here.test",
    "Final-Recipient: rfc822; a@x.test",
    "Action: failed",
    "Status: 5.1.1",
    "Remote-MTA: dns; mx.x.test",
    "Diagnostic-Code: smtp; 550 5.1.1 No such user",
    "",
    "Final-Recipient: rfc822; b@here.test",
    "Action: delivered",
    "Status: 2.0.0",
    "Diagnostic-Code: x-kenro; in the mailbox",
    "",
    "Final-Recipient: rfc822; c@x.test",
    "Action: relayed",
    "Status: 2.0.0",
    "Remote-MTA: dns; [192.0.2.1]",
    "Diagnostic-Code: smtp; 250 2.0.0 Queued",
    "",
  ]);
  const text = wanted.slice(0, from).join("\n");
  for (const [opening, address] of [
    ["could not be delivered", "a@x.test"],
    ["is in the mailboxes", "b@here.test"],
    ["Other mail servers have taken", "c@x.test"],
  ])
    assert.match(text, new RegExp(`${opening}[\\s\\S]*<${address}>`));
});

test("addresses beyond ASCII make it a report of RFC 6533, others do not", () => {
  const recipient = { action: "failed", code: "5.1.1", text: "No such user" } as const;
  const global = lines({
    ...report,
    utf8: true,
    recipients: [{ ...recipient, address: "j\u00fcrg@here.test", original: "utf-8;j\u00fcrg@old.test" }],
    original: { bytes: Buffer.from("Subject: \u00fc\r\n\r\nbody\r\n"), whole: false, global: true },
  }).map((line) => Buffer.from(line, "latin1").toString());
  for (const line of [
    "Content-Type: multipart/report; report-type=global-delivery-status;",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Type: message/global-delivery-status",
    "Original-Recipient: utf-8; j\u00fcrg@old.test",
    "Final-Recipient: utf-8; j\u00fcrg@here.test",
    "<j\u00fcrg@here.test>:",
    "Content-Type: message/global-headers",
  ])
    assert.ok(global.includes(line), line);
  assert.ok(lines(report).every((line) => !/global/.test(line)));
});

test("who sent without SMTPUTF8 gets ASCII: letters beyond it are numbers", () => {
  const wanted = lines({
    ...report,
    recipients: [
      {
        address: "j\u00fcrg@here.test",
        original: "utf-8;j\u00fcrg+x@old.test",
        action: "failed",
        code: "5.1.1",
        text: "No",
      },
    ],
  });
  assert.ok(wanted.includes("Original-Recipient: utf-8; j\\x{FC}rg\\x{2B}x@old.test"));
  assert.ok(wanted.includes("Final-Recipient: utf-8; j\\x{FC}rg@here.test"));
  assert.ok(wanted.includes("Content-Type: message/delivery-status"));
  assert.ok(wanted.every((line) => /^[ -~]*$/.test(line)));
});

test("what a server said is smtp, a delay says until when, and 8-bit originals are declared", () => {
  const late: Partial<Report> = {
    kind: "delayed",
    recipients: [{ address: "b@x.test", action: "delayed", code: "4.4.1", text: "Not there" }],
  };
  const rows: [Partial<Report>, string][] = [
    [
      { recipients: [{ address: "b@x.test", action: "failed", code: "5.7.1", text: "554 No" }] },
      "Diagnostic-Code: smtp; 554 No",
    ],
    [late, "Will-Retry-Until: Thu, 08 Jan 2026 00:00:00 +0000"],
    [late, "Action: delayed"],
    [{ kind: "double" }, "Subject: A bounce could not be delivered"],
    [{ original: { bytes: Buffer.from([0xfc]), whole: true } }, "Content-Transfer-Encoding: 8bit"],
    [{ original: { bytes: Buffer.from("A: b\r\n"), whole: false } }, "Content-Type: text/rfc822-headers"],
  ];
  for (const [more, line] of rows) assert.ok(lines({ ...report, ...more }).includes(line), line);
  assert.ok(!lines({ ...report, original: undefined }).includes("Content-Type: message/rfc822"));
});

test("a report about very many fits into an inline body, with its original", () => {
  for (const letter of ["d", "\u4e00"]) {
    const recipients = Array.from({ length: 5000 }, (_, n) => ({
      address: `user${n}@${letter.repeat(500)}.test`,
      original: `utf-8;${letter.repeat(480)}`,
      action: "failed" as const,
      code: "5.1.1",
      text: "x".repeat(2000),
    }));
    const original = { bytes: Buffer.alloc(limits.queue.bounceCopy, "x"), whole: true };
    const bytes = formatReport({ ...report, recipients, original });
    assert.ok(bytes.length <= limits.queue.inlineBody, `${bytes.length} bytes`);
    assert.match(bytes.toString(), /and 4980 more\./);
  }
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
