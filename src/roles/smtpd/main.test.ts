// The role as boot.ts starts it: real listeners, real talk sockets, with auth and queue answered by the test.

import assert from "node:assert/strict";
import test from "node:test";
import { smtpListener } from "#test/support/listeners.ts";
import { loopbackClient } from "#test/support/loopback.ts";
import { SmtpSite, until } from "#test/support/smtpsite.ts";

const MESSAGE =
  "MAIL FROM:<b@far.test>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\nSubject: x\r\n\r\nbody\r\n.\r\n";

test("the role takes a message on 25 and hands it to the queue", async (context) => {
  const here = await SmtpSite.start(context);
  const client = await loopbackClient(here.port("mx"));
  client.send(Buffer.from(`EHLO c.test\r\n${MESSAGE}QUIT\r\n`));
  assert.match(await until(client, /221 /), /250 2\.0\.0 Queued as p1-1\r\n221 /);
  assert.match(here.bodies[0] ?? "", /^Received: from c\.test [\s\S]*\r\nSubject: x\r\n\r\nbody\r\n$/);
  assert.ok(here.lines.some((line) => / smtp_connect .*listener=mx/.test(line)));
});

test("465 speaks TLS from the first byte, and does not answer clear text", async (context) => {
  const here = await SmtpSite.start(context);
  const client = await loopbackClient(here.port("submissions"), { tls: true });
  client.send(Buffer.from("EHLO c.test\r\nMAIL FROM:<>\r\nQUIT\r\n"));
  assert.match(await until(client, /221 /), /AUTH PLAIN LOGIN[\s\S]*530 5\.7\.0/);
  const clear = await loopbackClient(here.port("submissions"));
  clear.send(Buffer.from("EHLO c.test\r\n"));
  assert.doesNotMatch(await until(clear, /never/), /220|250/);
});

test("a reload holds for new connections; one that cannot be taken leaves everything as it was", async (context) => {
  const here = await SmtpSite.start(context);
  const { running, slice } = here;
  const before = await loopbackClient(here.port("mx"));
  assert.match(await until(before, /\n/), /^220 mail\.example\.test/);
  const listeners = [smtpListener("mx", { maxSize: 70_000 })];
  running.reload({ ...slice, hostname: "new.example.test", listeners });
  const bad = { certificate: "none", key: "none", names: [] };
  assert.throws(() => running.reload({ ...slice, certificates: [bad] }));
  assert.throws(() => running.reload({ ...slice, listeners: [smtpListener("other")] }));
  before.send(Buffer.from("EHLO c\r\n"));
  assert.match(await until(before, /HELP\r\n/), /^250-mail\.example\.test[\s\S]*SIZE 1000000\r\n/);
  const after = await loopbackClient(here.port("mx"));
  after.send(Buffer.from("EHLO c\r\n"));
  assert.match(await until(after, /HELP\r\n/), /^220 new\.example\.test[\s\S]*SIZE 70000\r\n/);
});

test("a role that stops tells its clients, closes its ports and ends", async (context) => {
  const here = await SmtpSite.start(context);
  const idle = await loopbackClient(here.port("mx"));
  await until(idle, /\n/);
  await here.running.stop();
  assert.match(await until(idle, /never/), /^421 4\.3\.2/);
  await assert.rejects(loopbackClient(here.port("mx")));
});
