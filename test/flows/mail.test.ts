// The whole way of a message through the real server: in with real clients, out by POP3 and IMAP, across kill -9, back as a bounce.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import test from "node:test";
import { ImapFlow } from "imapflow";
import nodemailer from "nodemailer";
import { need } from "../support/tools.ts";
import { converse, eventually, World } from "../support/world.ts";

const body = "Gr\xfc\xdfe \xff\r\n.\r\n..two dots\r\n.one\r\n\r\nlast line\r\n";
const message = (subject: string) =>
  `From: <x@far.test>\r\nTo: <ann@a.test>\r\nSubject: ${subject}\r\n\r\n${body}`;
const stuffed = (text: string) => text.replaceAll("\r\n.", "\r\n..");

const send = (world: World, subject: string, recipient = "ann@a.test") =>
  converse(
    world.port(25),
    Buffer.from(
      `EHLO c.test\r\nMAIL FROM:<x@far.test> BODY=8BITMIME\r\nRCPT TO:<${recipient}>\r\nDATA\r\n${stuffed(message(subject))}.\r\nQUIT\r\n`,
      "latin1",
    ),
  );

/** Submits as ann, TLS from the start. */
const submitter = (world: World) =>
  nodemailer.createTransport({
    host: "127.0.0.1",
    port: world.port(465),
    secure: true,
    tls: { rejectUnauthorized: false },
    auth: { user: "ann@a.test", pass: "secret-pw" },
  });

test("a message comes back byte for byte by IMAP and POP3", async (context) => {
  if (!need(context, "curl", "python3")) return;
  const world = await World.start(context);
  assert.match(await send(world, "bytes"), /250 2\.0\.0 Queued as/);
  await eventually(() => world.delivered("ann").length === 1);
  const imap = new ImapFlow({
    host: "127.0.0.1",
    port: world.port(993),
    secure: true,
    tls: { rejectUnauthorized: false },
    auth: { user: "ann@a.test", pass: "secret-pw" },
    logger: false,
  });
  await imap.connect();
  const lock = await imap.getMailboxLock("INBOX");
  const one = await imap.fetchOne("1", { source: true, envelope: true, bodyStructure: true, flags: true });
  assert.ok(one);
  const source = one.source?.toString("latin1") ?? "";
  assert.ok(source.endsWith(message("bytes")), source);
  assert.equal(one.envelope?.subject, "bytes");
  await imap.messageFlagsAdd("1", ["\\Flagged"]);
  lock.release();
  await imap.append("INBOX", "Subject: kept\r\n\r\nx\r\n", ["\\Seen"]);
  await imap.logout();
  const curl = spawnSync("curl", [
    "-sSk",
    "--user",
    "ann@a.test:secret-pw",
    `pop3s://127.0.0.1:${world.port(995)}/1`,
  ]);
  assert.ok(curl.stdout.toString("latin1").endsWith(message("bytes")), curl.stderr.toString());
  const python = spawnSync("python3", [
    "-c",
    `import poplib,sys\np=poplib.POP3('127.0.0.1',${world.port(110)});p.stls(__import__('ssl')._create_unverified_context());p.user('ann@a.test');p.pass_('secret-pw')\nprint(p.stat()[0]);p.dele(2);p.quit()`,
  ]);
  assert.equal(python.stdout.toString().trim(), "2", python.stderr.toString());
  await eventually(() => world.delivered("ann").length === 1);
});

test("swaks and nodemailer submit over TLS with AUTH; a stranger's sender is refused", async (context) => {
  if (!need(context, "swaks")) return;
  const world = await World.start(context);
  const swaks = (...more: readonly string[]) =>
    spawnSync(
      "swaks",
      [
        "--server",
        "127.0.0.1",
        "--auth",
        "PLAIN",
        "--auth-user",
        "ann@a.test",
        "--auth-password",
        "secret-pw",
        "--to",
        "bob@a.test",
        ...more,
      ],
      { encoding: "utf8" },
    );
  const good = swaks("--port", String(world.port(587)), "--tls", "--from", "ann@a.test");
  assert.equal(good.status, 0, good.stdout + good.stderr);
  const forged = swaks("--port", String(world.port(465)), "--tlsc", "--from", "boss@a.test");
  assert.match(forged.stdout, /553 5\.7\.1/);
  const clear = swaks("--port", String(world.port(587)), "--from", "ann@a.test");
  assert.notEqual(clear.status, 0);
  const mailer = submitter(world);
  const large = randomBytes(700_000);
  await mailer.sendMail({
    from: "ann@a.test",
    to: "bob@a.test",
    bcc: "ann@a.test",
    subject: "large",
    text: "x",
    attachments: [{ filename: "a.bin", content: large }],
  });
  mailer.close();
  await eventually(() => world.delivered("bob").length === 2);
  const texts = world.delivered("bob").map((file) => fs.readFileSync(file, "latin1"));
  assert.ok(texts.some((text) => text.replaceAll("\n", "").includes(large.toString("base64"))));
  assert.ok(texts.every((text) => !/^bcc:/im.test(text)));
});

test("mail for others is refused, unknown users are refused, and no second message can be smuggled", async (context) => {
  const world = await World.start(context);
  assert.match(await send(world, "relay", "someone@elsewhere.test"), /550 5\.7\.1/);
  assert.match(await send(world, "unknown", "nobody@a.test"), /550 5\.1\.1/);
  for (const end of ["\n.\n", "\r\n.\n", "\n.\r\n", "\r.\r", "\0"]) {
    const inside = `EHLO c\r\nMAIL FROM:<x@far.test>\r\nRCPT TO:<ann@a.test>\r\nDATA\r\nSubject: one\r\n\r\nx${end}MAIL FROM:<evil@far.test>\r\nRCPT TO:<ann@a.test>\r\nDATA\r\nSubject: two\r\n\r\ny\r\n.\r\n`;
    assert.match(await converse(world.port(25), inside), /550 5\.6\.0/, JSON.stringify(end));
  }
  assert.equal(world.delivered("ann").length, 0);
});

test("kill -9 of each role: it is restarted and mail goes on, once", async (context) => {
  const world = await World.start(context);
  let sent = 0;
  for (const { role } of world.status()) {
    const before = world.pid(role);
    process.kill(before, "SIGKILL");
    const heard = await send(world, `after ${role}`);
    if (/250 2\.0\.0 Queued/.test(heard)) sent++;
    else assert.match(heard, /4\d\d /, `${role}: ${heard}`);
    await eventually(() => {
      const now = world.status().find((each) => each.role === role);
      return now?.state === "up" && now.pid !== before;
    });
  }
  assert.ok(sent >= 6, `${sent} of 8 accepted`);
  await eventually(() => world.delivered("ann").length >= sent);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const subjects = world
    .delivered("ann")
    .map((file) => /^Subject: (.*)$/m.exec(fs.readFileSync(file, "latin1"))?.[1]);
  assert.equal(new Set(subjects).size, subjects.length, `twice: ${subjects}`);
});

test("kill -9 of queue and local behind the 250, then everything: delivered once", async (context) => {
  const world = await World.start(context);
  process.kill(world.pid("local"), "SIGSTOP");
  const stopped = world.pid("local");
  assert.match(await send(world, "survivor"), /250 2\.0\.0 Queued/);
  process.kill(world.pid("queue"), "SIGKILL");
  process.kill(stopped, "SIGKILL");
  await eventually(() => world.delivered("ann").length === 1);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.equal(world.delivered("ann").length, 1);
});

test("a message that cannot be delivered comes back to its sender", async (context) => {
  const world = await World.start(context, (toml) =>
    toml
      .replace(/^smarthost = .*$/m, 'smarthost = "127.0.0.1:1"')
      .replace(/^lifetime = .*$/m, 'lifetime = "1s"'),
  );
  const mailer = submitter(world);
  await mailer.sendMail({ from: "ann@a.test", to: "far@unreachable.test", subject: "out", text: "x" });
  mailer.close();
  const queued = await eventually(() => {
    const list = JSON.parse(world.kenro(["queue", "list", "--json"])) as {
      recipients: { attempts: number; status: string }[];
    }[];
    return list[0]?.recipients[0]?.attempts ? list[0].recipients[0] : undefined;
  });
  assert.equal(queued.status, "4.4.1");
  await new Promise((resolve) => setTimeout(resolve, 1500));
  world.kenro(["queue", "retry"]);
  await eventually(() => world.delivered("ann").length === 1);
  const bounce = fs.readFileSync(world.delivered("ann")[0] ?? "", "utf8");
  assert.match(bounce, /^Return-Path: <>/);
  assert.match(bounce, /multipart\/report/);
  assert.match(bounce, /far@unreachable\.test/);
});

test("garbage on every port gets a reply or a close, and the server goes on", async (context) => {
  const world = await World.start(context);
  const pids = world.status().map(({ pid }) => pid);
  const seed = 20260101;
  let state = seed;
  const noise = Buffer.from(
    Array.from({ length: 5000 }, () => ((state = (state * 1103515245 + 12345) % 2147483648) >> 16) & 255),
  );
  for (const port of [25, 587, 465, 110, 995, 143, 993]) {
    for (const bytes of [
      noise,
      Buffer.alloc(100_000, "A"),
      Buffer.from("\r\n\r\n\0\r\n"),
      Buffer.from("a {99999999}\r\n"),
      Buffer.alloc(0),
    ]) {
      await converse(world.port(port), bytes, 700);
    }
  }
  assert.deepEqual(
    world.status().map(({ pid }) => pid),
    pids,
    `a role died (seed ${seed})`,
  );
  assert.match(await send(world, "still here"), /250 2\.0\.0 Queued/);
});
