// What a user asks for, through the whole server and on to a real Postfix: it must understand what we hand on, and we what it answers.

import assert from "node:assert/strict";
import fs from "node:fs";
import test, { type TestContext } from "node:test";
import { needPostfix, startPostfix } from "../support/postfix.ts";
import { type Sink, startSink } from "../support/smtpsink.ts";
import { submit } from "../support/submit.ts";
import { eventually, World } from "../support/world.ts";

interface Place {
  readonly world: World;
  /** What Postfix sends itself: its reports. */
  readonly sink: Sink;
}

/** Everything goes to a Postfix that has x@far.test and jürg@far.test. */
async function place(context: TestContext): Promise<Place> {
  const EHLO = ["250-sink.example", "250-8BITMIME", "250-SMTPUTF8", "250 DSN"];
  const sink = await startSink({ EHLO });
  context.after(() => sink.stop());
  const port = await startPostfix(context, {
    myhostname: "mx.far.test",
    mydestination: "",
    virtual_mailbox_domains: "far.test",
    virtual_mailbox_maps: "inline:{x@far.test=x/, jürg@far.test=j/}",
    smtpd_relay_restrictions: "reject_unauth_destination",
    default_transport: `smtp:[127.0.0.1]:${sink.port}`,
    smtpd_peername_lookup: "no",
  });
  const world = await World.start(context, (toml) =>
    toml.replace(/^smarthost = .*$/m, `smarthost = "127.0.0.1:${port}"`),
  );
  return { world, sink };
}

const report = async ({ sink }: Place): Promise<string> => {
  const [message] = await eventually(() => (sink.messages.length > 0 ? sink.messages : false));
  return Buffer.from(message?.raw ?? "", "latin1").toString();
};

test("Postfix reports in our stead, with the names that our user gave", async (context) => {
  if (!needPostfix(context)) return;
  const here = await place(context);
  const said = await submit(here.world, [
    "MAIL FROM:<ann@a.test> RET=HDRS ENVID=order+2B66",
    "RCPT TO:<x@far.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;old+2Bx@elsewhere.test",
    "DATA",
    "Subject: wanted\r\n\r\nsecret body\r\n.",
  ]);
  assert.match(said, /250 2\.0\.0 Queued/);
  const text = await report(here);
  assert.match(text, /^Original-Envelope-Id: order\+66\r$/m);
  assert.match(text, /^Original-Recipient: rfc822; ?old\+x@elsewhere\.test\r$/m);
  assert.match(text, /^Final-Recipient: rfc822; ?x@far\.test\r$/m);
  assert.match(text, /^Action: (?:delivered|relayed)\r$/m);
  assert.match(text, /^Subject: wanted\r$/m);
  assert.doesNotMatch(text, /secret body/);
  assert.equal(here.sink.messages[0]?.rcpts[0]?.startsWith("RCPT TO:<ann@a.test>"), true);
  // we say nothing ourselves
  assert.deepEqual(here.world.delivered("ann"), []);
});

test("letters beyond ASCII reach Postfix as they are, and come back in its report", async (context) => {
  if (!needPostfix(context)) return;
  const here = await place(context);
  const said = await submit(here.world, [
    "MAIL FROM:<ann@a.test> SMTPUTF8 BODY=8BITMIME",
    "RCPT TO:<jürg@far.test> NOTIFY=SUCCESS ORCPT=utf-8;jürg@elsewhere.test",
    "DATA",
    "Subject: Grüße\r\n\r\nx\r\n.",
  ]);
  assert.match(said, /250 2\.0\.0 Queued/);
  const text = await report(here);
  assert.match(text, /^Original-Recipient: utf-8; ?jürg@elsewhere\.test\r$/m);
  assert.match(text, /^Final-Recipient: utf-8; ?jürg@far\.test\r$/m);
  assert.match(text, /^Subject: Grüße\r$/m);
});

test("what Postfix refuses comes back with its own words", async (context) => {
  if (!needPostfix(context)) return;
  const here = await place(context);
  await submit(here.world, [
    "MAIL FROM:<ann@a.test> ENVID=mine",
    "RCPT TO:<nobody@far.test> ORCPT=rfc822;someone@elsewhere.test",
    "DATA",
    "Subject: refused\r\n\r\nx\r\n.",
  ]);
  const [file = ""] = await eventually(() => {
    const files = here.world.delivered("ann");
    return files.length > 0 ? files : false;
  });
  const text = fs.readFileSync(file, "utf8");
  const lines = [
    "Original-Envelope-Id: mine",
    "Original-Recipient: rfc822; someone@elsewhere.test",
    "Final-Recipient: rfc822; nobody@far.test",
    "Action: failed",
    "Status: 5.1.1",
    "Remote-MTA: dns; [127.0.0.1]",
  ];
  assert.ok(text.includes(`${lines.slice(1).join("\n")}\n`), text);
  assert.ok(text.includes(`\n${lines[0]}\n`), text);
  assert.match(text, /^Diagnostic-Code: smtp; 550 5\.1\.1 <nobody@far\.test>: Recipient/m);
});
