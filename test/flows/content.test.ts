// Messages go before other programs: a real server with a clamd that is there, away, and back again, over TCP and a Unix socket.

import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { startClamd, startRspamd, VIRUS } from "#test/support/checkers.ts";
import { freePort } from "#test/support/loopback.ts";
import { startMilter } from "#test/support/milter.ts";
import { converse, eventually, World } from "#test/support/world.ts";

const block = (name: string, kind: string, address: string, more = ""): string =>
  `\n[[content]]\nname = "${name}"\nkind = "${kind}"\naddress = "${address}"\ntimeout = "10s"\n${more}`;

const letter = (body: string, fields = ""): string =>
  [
    "EHLO c.test",
    "MAIL FROM:<b@far.test>",
    "RCPT TO:<ann@a.test>",
    "DATA",
    `From: b@far.test\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\n${fields}Subject: x\r\n\r\n${body}\r\n.`,
    "QUIT\r\n",
  ].join("\r\n");

/** The answer to the message. */
async function send(world: World, body: string, fields = ""): Promise<string> {
  const said = await converse(world.port(25), letter(body, fields), 30_000);
  return said.split("\r\n").at(-3) ?? "";
}

/** A directory that the roles' users can enter. */
function openDirectory(): string {
  const directory = fs.mkdtempSync(path.join(tmpdir(), "kenro-content-"));
  fs.chmodSync(directory, 0o711);
  return directory;
}

test("ClamAV refuses what it finds; when it is away, mail waits or is taken, as the configuration says", async (context) => {
  const directory = openDirectory();
  context.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  const socket = path.join(directory, "clamd.ctl");
  const clamd = await startClamd({ path: socket });
  fs.chmodSync(socket, 0o666);
  const away = `127.0.0.1:${await freePort()}`;
  const world = await World.start(context, (toml) => toml + block("clamav", "clamav", `unix:${socket}`));
  assert.match(await send(world, VIRUS), /^550 5\.7\.1 .* Kenro\.Test\.Signature \(clamav\) \[\S+\]/);
  assert.match(await send(world, "fine"), /^250 2\.0\.0 Queued/);
  const large = `${"x".repeat(70)}\r\n`.repeat(100_000);
  assert.match(await send(world, `${large}${VIRUS}`), /^550 5\.7\.1 .*\(clamav\)/);
  assert.match(await send(world, large), /^250 2\.0\.0 Queued/);
  await eventually(() => world.delivered("ann").length === 2);

  await clamd.close();
  const deferred = await send(world, "while it is down");
  assert.match(deferred, /^451 4\.3\.0 The message cannot be checked now, try again later \(clamav\)/);
  const file = path.join(world.dir, "kenro.toml");
  const configure = (from: RegExp, to: string) => {
    fs.writeFileSync(file, fs.readFileSync(file, "utf8").replace(from, to));
    world.kenro(["reload"]);
  };
  configure(/^name = "clamav"$/m, 'name = "clamav"\non_error = "accept"');
  let said = "";
  for (let tries = 0; !said.startsWith("250") && tries < 20; tries++) said = await send(world, "unseen");
  assert.match(said, /^250 2\.0\.0 Queued/);
  await eventually(() => world.delivered("ann").length === 3);

  configure(/^address = "unix:.*"$/m, `address = "${away}"`);
  const again = await startClamd({ port: Number(away.split(":")[1]) });
  context.after(() => again.close());
  for (let tries = 0; !said.startsWith("550") && tries < 20; tries++) said = await send(world, VIRUS);
  assert.match(said, /^550 5\.7\.1 .*\(clamav\)/);
  const log = world.kenro(["log"]);
  assert.match(log, /smtp_content .*checker=clamav verdict=refuse code=550 .*Kenro\.Test\.Signature/);
  assert.match(log, /smtp_content .*checker=clamav verdict=unknown /);
});

test("what rspamd and a milter add stands in front of the delivered message, small or large", async (context) => {
  const milter = await startMilter(context);
  if (!milter) return;
  fs.chmodSync(path.dirname(milter.address.slice("unix:".length)), 0o711);
  fs.chmodSync(milter.address.slice("unix:".length), 0o666);
  const rspamd = await startRspamd(() => ({ action: "add header", score: 8, required_score: 15 }));
  context.after(() => rspamd.close());
  const world = await World.start(
    context,
    (toml) => toml + block("rspamd", "rspamd", rspamd.address) + block("filter", "milter", milter.address),
  );
  const large = `${"x".repeat(70)}\r\n`.repeat(10_000);
  for (const body of ["small", large])
    assert.match(await send(world, body, "X-Order: add\r\n"), /^250 2\.0\.0 Queued/);
  await eventually(() => world.delivered("ann").length === 2);
  for (const at of world.delivered("ann")) {
    const text = fs.readFileSync(at, "latin1").replaceAll("\r\n", "\n");
    assert.match(
      text,
      /^(?:(?:Return-Path|Delivered-To): [^\n]*\n)*X-Spam: Yes\nX-Added: one\n two\nX-Inserted: three\nReceived: /,
    );
    const body = text.length < 10_000 ? "small" : large.replaceAll("\r\n", "\n");
    assert.ok(text.endsWith(`\n\n${body}\n`));
  }
  assert.match(await send(world, "x", "X-Order: reply\r\n"), /^554 5\.7\.9 Not with 100% me \(filter\)/);
});
