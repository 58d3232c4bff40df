// The site's own routes through the whole server: a login whose password nobody sees, and a delivery agent behind a Unix socket.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test from "node:test";
import { identity } from "../support/pki.ts";
import { EHLO, startSink } from "../support/smtpsink.ts";
import { submit } from "../support/submit.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { need } from "../support/tools.ts";
import { eventually, World } from "../support/world.ts";

const PASSWORD = "correct-horse-battery";

test("routes lead to a relay with a login, and to LMTP; the password is seen by the relay only", async (context) => {
  if (!need(context, "openssl")) return;
  const directory = temporaryDirectory(context);
  // the role is another user
  fs.chmodSync(directory, 0o755);
  const socket = path.join(directory, "lmtp");
  const keys = identity(context, "x", { addresses: ["127.0.0.1"] });
  const relay = await startSink({ EHLO: ["250-relay.example", "250-STARTTLS", "250 AUTH PLAIN"], keys });
  const agent = await startSink({ path: socket, LHLO: EHLO, end: ["250 in the box", "550 5.2.1 closed"] });
  fs.chmodSync(socket, 0o777);
  for (const sink of [relay, agent]) context.after(() => sink.stop());
  const secret = path.join(directory, "secret");
  fs.writeFileSync(secret, `${PASSWORD}\n`, { mode: 0o600 });
  const world = await World.start(
    context,
    (toml) => `${toml}
[[route]]
recipients = ["lists.test"]
host = "unix:${socket}"
protocol = "lmtp"
[[route]]
senders = ["a.test"]
host = "127.0.0.1:${relay.port}"
tls = "require"
user = "us"
password_file = "${secret}"
hello = "out.a.test"
`,
  );
  const mail = (...recipients: readonly string[]) =>
    submit(world, [
      "MAIL FROM:<ann@a.test>",
      ...recipients.map((each) => `RCPT TO:<${each}>`),
      "DATA",
      "Subject: route\r\n\r\nx\r\n.",
    ]);
  await mail("x@far.test");
  await mail("one@lists.test", "two@lists.test");
  await eventually(() => relay.messages.length === 1 && agent.messages.length === 1);
  assert.deepEqual([relay.messages[0]?.tls, relay.heard[1]], [true, "EHLO out.a.test"]);
  assert.ok(relay.heard.includes(`AUTH PLAIN ${Buffer.from(`\0us\0${PASSWORD}`).toString("base64")}`));
  const outcomes = await eventually(() => {
    const found = [...world.kenro(["log"]).matchAll(/queue_delivery .* to=(\S+@lists\.test) outcome=(\w+)/g)];
    return found.length === 2 && found.map(([, to, outcome]) => `${to} ${outcome}`).toSorted();
  });
  assert.deepEqual(outcomes, ["one@lists.test relayed", "two@lists.test failed"]);
  assert.doesNotMatch(world.kenro(["log"]), new RegExp(PASSWORD));
  for (const { pid } of world.status())
    for (const file of ["cmdline", "environ"])
      assert.doesNotMatch(fs.readFileSync(`/proc/${pid}/${file}`, "latin1"), new RegExp(PASSWORD));
});
