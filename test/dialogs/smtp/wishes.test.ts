// What senders ask for arrives in the envelope, and in the Received field.

import assert from "node:assert/strict";
import test from "node:test";
import type { Envelope } from "#wire/envelope.ts";
import { HELLO, say, submission } from "./clients.ts";
import { World } from "./world.ts";

const start = Date.UTC(2026, 0, 1);
const message = "DATA\r\nSubject: x\r\n\r\n.\r\n";

interface Wish {
  readonly what: string;
  readonly mail: string;
  readonly rcpt?: readonly string[];
  readonly wanted: Partial<Envelope>;
}

const wishes: readonly Wish[] = [
  { what: "nothing", mail: "", wanted: {} },
  { what: "RFC 6152", mail: " BODY=8BITMIME", wanted: { body: "8bitmime" } },
  { what: "RFC 6531", mail: " SMTPUTF8", wanted: { utf8: true } },
  {
    what: "RFC 3461 for the message",
    mail: " RET=FULL ENVID=a+20b+2B",
    wanted: { ret: "full", envid: "a b+" },
  },
  {
    what: "RFC 3461 for each recipient",
    mail: " RET=HDRS",
    rcpt: [
      "<ann@example.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Ann+40x.test",
      "<bob@example.test> NOTIFY=NEVER",
    ],
    wanted: {
      ret: "headers",
      recipients: [
        { address: "ann@example.test", notify: ["success", "failure"], original: "rfc822;Ann@x.test" },
        { address: "bob@example.test", notify: [] },
      ],
    },
  },
  {
    what: "RFC 6533",
    mail: " SMTPUTF8",
    rcpt: ["<ann@example.test> ORCPT=utf-8;\\x{E4}nn@x.test", "<bob@example.test> ORCPT=utf-8;bøb@x.test"],
    wanted: {
      utf8: true,
      recipients: [
        { address: "ann@example.test", original: "utf-8;änn@x.test" },
        { address: "bob@example.test", original: "utf-8;bøb@x.test" },
      ],
    },
  },
  {
    what: "one copy for who is named twice, and reports that either wanted",
    mail: "",
    rcpt: [
      "<ann@example.test> NOTIFY=NEVER ORCPT=rfc822;one",
      "<ann@example.test>",
      "<bob@example.test>",
      "<bob@example.test> NOTIFY=SUCCESS",
      "<bob@example.test>",
      "<ann@example.test> ORCPT=rfc822;two",
    ],
    wanted: {
      recipients: [
        { address: "ann@example.test", notify: ["failure", "delay"], original: "rfc822;one" },
        { address: "bob@example.test", notify: ["failure", "delay", "success"] },
      ],
    },
  },
  { what: "RFC 8689", mail: " REQUIRETLS", wanted: { requireTls: true } },
  {
    what: "RFC 2852, to be returned",
    mail: " BY=120;R",
    wanted: { deliverBy: { time: start + 120_000, mode: "return" } },
  },
  {
    what: "RFC 2852, to be told, with a trace",
    mail: " BY=-60;NT",
    wanted: { deliverBy: { time: start - 60_000, mode: "notify", trace: true } },
  },
  { what: "RFC 4865, for a time", mail: " HOLDFOR=3600", wanted: { holdUntil: start + 3_600_000 } },
  {
    what: "RFC 4865, until a moment",
    mail: " HOLDUNTIL=2026-01-02T03:04:05+01:00",
    wanted: { holdUntil: Date.UTC(2026, 0, 2, 2, 4, 5) },
  },
  {
    what: "a time to deliver by that begins when the message is let go",
    mail: " BY=60;R HOLDFOR=3600",
    wanted: { holdUntil: start + 3_600_000, deliverBy: { time: start + 3_660_000, mode: "return" } },
  },
  { what: "RFC 6710", mail: " MT-PRIORITY=-4", wanted: { priority: -4 } },
  { what: "RFC 4954 §5, which goes no further", mail: " AUTH=ann+40x.test", wanted: {} },
];

for (const { what, mail, rcpt = ["<ann@example.test>"], wanted } of wishes) {
  test(`the envelope tells what was asked for: ${what}`, async () => {
    const world = new World({ mode: "submissions" });
    const client = await submission(world);
    const to = rcpt.map((each) => `RCPT TO:${each}\r\n`).join("");
    const said = await say(client, `MAIL FROM:<ann@example.test>${mail}\r\n${to}${message}`);
    assert.match(said, /250 2\.0\.0 Queued as m-1\r\n$/);
    assert.deepEqual(world.messages[0]?.envelope, {
      sender: "ann@example.test",
      recipients: [{ address: "ann@example.test" }],
      body: "7bit",
      submitted: true,
      ...wanted,
    });
  });
}

test("RFC 6531 §3.3: a domain in U-labels goes on in A-labels, a local part as it is", async () => {
  const world = new World({ users: "änn@xn--bcher-kva.test" });
  const { client } = world.connect();
  await say(
    client,
    Buffer.from(
      `${HELLO}MAIL FROM:<bob@Bücher.test> SMTPUTF8\r\nRCPT TO:<änn@BÜCHER.test>\r\nRCPT TO:<änn@xn--bcher-kva.test>\r\n${message}`,
    ),
  );
  const { envelope, body } = world.messages[0] ?? {};
  assert.equal(envelope?.sender, "bob@xn--bcher-kva.test");
  assert.deepEqual(envelope?.recipients, [{ address: "änn@xn--bcher-kva.test" }]);
  assert.match(body?.toString() ?? "", /with UTF8SMTP\r\n\tid m-1\r\n\tfor <änn@xn--bcher-kva\.test>;/);
});

test("RFC 6531 §4.3: Received names the protocol under TLS, behind a login", async () => {
  const world = new World({ mode: "submissions" });
  const client = await submission(world);
  await say(client, `MAIL FROM:<ann@example.test> SMTPUTF8\r\nRCPT TO:<bob@example.test>\r\n${message}`);
  assert.match(world.messages[0]?.body.toString() ?? "", /with UTF8SMTPSA \(TLSv1\.3\)\r\n/);
});

test("after XCLIENT the client is who the proxy says: in Received, in the log and to auth", async () => {
  const world = new World({ xclient: "yes" });
  const { client } = world.connect();
  const claims = "NAME=spike.far.test ADDR=IPv6:2001:DB8:0::7 PORT=99";
  await say(client, `EHLO proxy.test\r\nXCLIENT ${claims}\r\nEHLO far.test\r\n`);
  await say(
    client,
    `MAIL FROM:<b@far.test>\r\nRCPT TO:<nobody@x.test>\r\nRCPT TO:<ann@example.test>\r\n${message}`,
  );
  assert.match(
    world.messages[0]?.body.toString() ?? "",
    /^Received: from far\.test \(spike\.far\.test \[IPv6:2001:db8::7\]\)\r\n/,
  );
  assert.match(
    world.events("smtp_xclient")[0] ?? "",
    /session=s1 ip=2001:db8::7 port=99 name=spike\.far\.test/,
  );
  assert.match(world.events("smtp_reject")[0] ?? "", /ip=2001:db8::7 code=550/);
  assert.match(world.events("smtp_connect")[0] ?? "", /ip=192\.0\.2\.7/);
});
