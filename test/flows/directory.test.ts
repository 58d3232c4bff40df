// Aliases, groups, forwards, catch-alls, extensions, quotas and suspended accounts through the whole server, with real clients, and across kill -9.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { type Sink, startSink } from "../support/smtpsink.ts";
import { need } from "../support/tools.ts";
import { converse, eventually, World } from "../support/world.ts";

interface Place {
  readonly world: World;
  readonly sink: Sink;
}

async function place(context: TestContext, edit = (toml: string) => toml): Promise<Place> {
  const sink = await startSink({});
  context.after(() => sink.stop());
  const world = await World.start(context, (toml) =>
    edit(toml.replace(/^smarthost = .*$/m, `smarthost = "127.0.0.1:${sink.port}"`)),
  );
  return { world, sink };
}

/** What the server says to a message from outside. */
function send(world: World, to: string, subject: string, more: { from?: string; size?: number } = {}) {
  const { from = "sam@far.test", size = 10 } = more;
  const text = `Subject: ${subject}\r\n\r\n${`${"x".repeat(70)}\r\n`.repeat(Math.ceil(size / 72))}`;
  const lines = ["EHLO c.test", `MAIL FROM:<${from}> SIZE=${text.length}`, `RCPT TO:<${to}>`, "DATA"];
  return converse(world.port(25), `${lines.join("\r\n")}\r\n${text}.\r\nQUIT\r\n`);
}

/** Subjects in the new/ and cur/ of a Maildir below mail/a.test. */
function subjects(world: World, ...at: readonly string[]): readonly string[] {
  const texts = ["new", "cur"].flatMap((inside) => {
    const folder = path.join(world.dir, "mail/a.test", ...at, inside);
    return fs.existsSync(folder)
      ? fs.readdirSync(folder).map((name) => fs.readFileSync(path.join(folder, name), "latin1"))
      : [];
  });
  return texts.map((text) => /^Subject: (.*)$/m.exec(text)?.[1] ?? "").sort();
}

const isQueued = async (answer: Promise<string>) => assert.match(await answer, /250 2\.0\.0 Queued/);

test("an alias, a domain's other name, a catch-all and a forward, with a user of ours and with a server far away", async (context) => {
  const { world, sink } = await place(context);
  world.kenro(["alias", "add", "sales@a.test", "ann@a.test", "bob@a.test", "x@far.test"]);
  world.kenro(["alias", "add", "info@a.test", "ann@a.test"]);
  world.kenro(["domain", "add", "b.test", "--alias-of", "a.test"]);
  world.kenro(["user", "set", "bob@a.test", "--forward", "bob@far.test"]);
  await isQueued(send(world, "sales@a.test", "sales"));
  await isQueued(send(world, "info@b.test", "info"));
  assert.match(await send(world, "nobody@b.test", "none"), /550 5\.1\.1/);
  world.kenro(["domain", "set", "a.test", "--catch-all", "ann@a.test"]);
  await isQueued(send(world, "nobody@b.test", "caught"));
  await eventually(() => subjects(world, "ann/Maildir").length === 3 && sink.messages.length === 2);
  assert.deepEqual(subjects(world, "ann/Maildir"), ["caught", "info", "sales"]);
  assert.deepEqual(subjects(world, "bob/Maildir"), ["sales"]);
  const forwarded = sink.messages.find(({ rcpts }) => rcpts[0]?.includes("bob@far.test"));
  // the sender stays, and the way can be read
  assert.match(forwarded?.mail ?? "", /^MAIL FROM:<sam@far\.test>/);
  assert.match(
    forwarded?.raw ?? "",
    /^Delivered-To: bob@a\.test\r\nDelivered-To: sales@a\.test\r\nReceived: /,
  );
  world.kenro(["user", "set", "bob@a.test", "--keep", "no"]);
  // local believes what it has heard for three seconds
  await new Promise((resolve) => setTimeout(resolve, 3100));
  await isQueued(send(world, "bob@a.test", "gone"));
  await eventually(() => sink.messages.length === 3);
  assert.deepEqual(subjects(world, "bob/Maildir"), ["sales"]);
  // there and back again: who sent it hears of it, and it ends
  world.kenro(["alias", "add", "round@a.test", "round2@a.test", "x@far.test"]);
  world.kenro(
    ["user", "add", "round2@a.test", "--password-stdin", "--forward", "round@a.test"],
    "secret-pw\n",
  );
  const before = sink.messages.length;
  await isQueued(send(world, "round@a.test", "round", { from: "ann@far.test" }));
  const bounce = await eventually(() =>
    sink.messages.slice(before).find(({ raw }) => raw.includes("is looping")),
  );
  assert.match(bounce.rcpts[0] ?? "", /ann@far\.test/);
  assert.match(bounce.raw, /5\.4\.6/);
});

test("a group sends in its own name, its owner hears of what fails, also by VERP", async (context) => {
  if (!need(context, "swaks")) return;
  const { world, sink } = await place(context);
  sink.script({ RCPT: (line) => (line.includes("gone@") ? "550 5.1.1 no such user" : undefined) });
  world.kenro(["group", "add", "team@a.test", "ann@a.test", "m@far.test", "--owner", "bob@a.test"]);
  assert.match(world.kenro(["group", "member", "add", "team@a.test", "gone@far.test"]), /3 members/);
  const swaks = (to: string) =>
    spawnSync(
      "swaks",
      [
        "--server",
        "127.0.0.1",
        "--port",
        String(world.port(25)),
        "--from",
        "sam@far.test",
        "--to",
        to,
        "--header",
        "Subject: team",
      ],
      { encoding: "utf8" },
    );
  const sent = swaks("team@a.test");
  assert.equal(sent.status, 0, sent.stdout);
  const [file = ""] = await eventually(() =>
    world.delivered("bob").length > 0 ? world.delivered("bob") : false,
  );
  const bounce = fs.readFileSync(file, "latin1");
  assert.match(bounce, /^Return-Path: <>\nDelivered-To: team-owner@a\.test\n/);
  assert.match(bounce, /^Final-Recipient: rfc822; gone@far\.test$/m);
  assert.match(
    fs.readFileSync(world.delivered("ann")[0] ?? "", "latin1"),
    /^Return-Path: <team-owner@a\.test>\nDelivered-To: ann@a\.test\nDelivered-To: team@a\.test\n/,
  );
  assert.match(sink.messages[0]?.mail ?? "", /^MAIL FROM:<team-owner@a\.test>/);
  // the first sender hears nothing
  assert.ok(sink.messages.every(({ rcpts }) => !rcpts.some((line) => line.includes("sam@far.test"))));
  world.kenro(["group", "set", "team@a.test", "--verp", "yes"]);
  swaks("team@a.test");
  await eventually(() =>
    sink.messages.some(({ mail }) => mail.startsWith("MAIL FROM:<team-owner-m=far.test@a.test>")),
  );
  // such a bounce from far away finds the owner
  await isQueued(send(world, "team-owner-m=far.test@a.test", "a bounce", { from: "" }));
  await eventually(() => subjects(world, "bob/Maildir").includes("a bounce"));
});

test("nobody logs in to a suspended account, and its mail waits elsewhere", async (context) => {
  if (!need(context, "curl")) return;
  const { world } = await place(context);
  const login = (user: string) =>
    spawnSync("curl", ["-sSk", "--user", `${user}:secret-pw`, `imaps://127.0.0.1:${world.port(993)}/`])
      .status;
  assert.equal(login("ann@a.test"), 0);
  world.kenro(["user", "set", "ann@a.test", "--suspend"]);
  assert.notEqual(login("ann@a.test"), 0);
  assert.match(await send(world, "ann@a.test", "one"), /450 4\.2\.1 This mailbox is suspended/);
  world.kenro(["user", "set", "ann@a.test", "--resume"]);
  await isQueued(send(world, "ann@a.test", "two"));
  assert.equal(login("ann@a.test"), 0);
});

test("an extension has a folder, a mailbox or a password of its own, or none of them", async (context) => {
  if (!need(context, "curl", "swaks")) return;
  const { world } = await place(context);
  const list = (user: string, folder: string) => {
    const run = spawnSync(
      "curl",
      [
        "-sSk",
        "--user",
        user,
        "--request",
        "STATUS INBOX (MESSAGES)",
        `imaps://127.0.0.1:${world.port(993)}/${folder}`,
      ],
      { encoding: "utf8" },
    );
    return /MESSAGES (\d+)/.exec(run.stdout)?.[1] ?? `status ${run.status}`;
  };
  const curl = (...words: readonly string[]) =>
    spawnSync("curl", [
      "-sSk",
      "--user",
      "ann@a.test:secret-pw",
      ...words,
      `imaps://127.0.0.1:${world.port(993)}/`,
    ]);
  assert.equal(curl("--request", "CREATE News").status, 0);
  world.kenro(["user", "ext", "add", "ann@a.test", "shop", "--mailbox", "--password-stdin"], "shop-pw\n");
  world.kenro(["user", "ext", "add", "ann@a.test", "phone", "--password-stdin"], "phone-pw\n");
  for (const to of [
    "ann-news@a.test",
    "ann+NEWS@a.test",
    "ann-shop@a.test",
    "ann+other@a.test",
    "ann-phone@a.test",
  ])
    await isQueued(send(world, to, to));
  await eventually(
    () => subjects(world, "ann/Maildir").length === 2 && subjects(world, "ann-shop/Maildir").length === 1,
  );
  await eventually(() => subjects(world, "ann/Maildir/.News").length === 2);
  assert.deepEqual(subjects(world, "ann/Maildir"), ["ann+other@a.test", "ann-phone@a.test"]);
  assert.deepEqual(subjects(world, "ann-shop/Maildir"), ["ann-shop@a.test"]);
  assert.equal(list("ann-shop@a.test:shop-pw", ""), "1");
  assert.equal(list("ann-phone@a.test:phone-pw", ""), "2");
  assert.match(list("ann-shop@a.test:secret-pw", ""), /status/);
  assert.match(list("ann@a.test:shop-pw", ""), /status/);
  assert.match(list("ann-other@a.test:secret-pw", ""), /status/);
  const submit = (user: string, from: string) =>
    spawnSync("swaks", [
      "--server",
      "127.0.0.1",
      "--port",
      String(world.port(587)),
      "--tls",
      "--auth",
      "PLAIN",
      "--auth-user",
      user,
      "--auth-password",
      "phone-pw",
      "--from",
      from,
      "--to",
      "bob@a.test",
    ]).status;
  world.kenro(["alias", "add", "me@a.test", "ann@a.test"]);
  for (const from of ["ann@a.test", "ann-phone@a.test", "ann+phone@a.test", "me@a.test"])
    assert.equal(submit("ann-phone@a.test", from), 0, from);
  assert.notEqual(submit("ann-phone@a.test", "bob@a.test"), 0);
});

test("a full mailbox: refused at RCPT, kept for a while when it fills behind that, and open again when there is room", async (context) => {
  const { world, sink } = await place(context, (toml) =>
    toml.replace(/^full_wait = .*$/m, 'full_wait = "3s"'),
  );
  world.kenro(["user", "set", "ann@a.test", "--quota", "20k"]);
  assert.match(await send(world, "ann@a.test", "never", { size: 30_000 }), /552 5\.2\.3/);
  await isQueued(send(world, "ann@a.test", "first", { size: 15_000 }));
  await eventually(() => subjects(world, "ann/Maildir").length === 1);
  assert.match(
    await send(world, "ann@a.test", "second", { size: 10_000 }),
    /452 4\.2\.2 The mailbox is full/,
  );
  await isQueued(send(world, "ann@a.test", "small"));
  await eventually(() => subjects(world, "ann/Maildir").length === 2);
  // both are taken while local cannot look; only one fits when it does
  const pid = world.pid("local");
  process.kill(pid, "SIGSTOP");
  for (const subject of ["third", "fourth"])
    await isQueued(send(world, "ann@a.test", subject, { size: 3000 }));
  process.kill(pid, "SIGCONT");
  await eventually(() => subjects(world, "ann/Maildir").length === 3);
  const waiting = await eventually(() => {
    const [message] = JSON.parse(world.kenro(["queue", "list", "--json"])) as {
      recipients: { status: string; reason: string }[];
    }[];
    return message?.recipients[0]?.status === "4.2.2" && message.recipients[0];
  });
  assert.equal(waiting.reason, "The mailbox is full");
  await new Promise((resolve) => setTimeout(resolve, 3000));
  world.kenro(["queue", "retry"]);
  const bounce = await eventually(() => sink.messages[0]);
  assert.match(bounce.raw, /^Status: 5\.2\.2\r$/m);
  assert.match(bounce.rcpts[0] ?? "", /sam@far\.test/);
  assert.match(await send(world, "ann@a.test", "still", { size: 10_000 }), /452 4\.2\.2/);
  for (const file of world.delivered("ann")) fs.rmSync(file);
  let said = "";
  for (let wait = 0; wait < 50 && !said.includes("Queued"); wait++) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    said = await send(world, "ann@a.test", "fits again", { size: 10_000 });
  }
  assert.match(said, /250 2\.0\.0 Queued/);
  await eventually(() => subjects(world, "ann/Maildir").includes("fits again"));
});

test("kill -9 of queue and local again and again while mail goes on: each copy comes once", async (context) => {
  const { world, sink } = await place(context);
  world.kenro(["alias", "add", "all@a.test", "ann@a.test", "bob@a.test", "x@far.test"]);
  world.kenro(["user", "set", "bob@a.test", "--forward", "bob@far.test"]);
  world.kenro(["group", "add", "team@a.test", "all@a.test", "bob@a.test"]);
  let sent = 0;
  for (let round = 0; round < 6; round++) {
    // small ones and ones with a file in the spool
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) =>
        send(world, "team@a.test", `${round}.${n}`, { size: n === 0 ? 200_000 : 100 }),
      ),
    );
    sent += answers.filter((answer) => /250 2\.0\.0 Queued/.test(answer)).length;
    await new Promise((resolve) => setTimeout(resolve, 40 * round));
    for (const role of ["queue", "local"]) {
      const pid = world.pid(role);
      if (pid > 0) process.kill(pid, "SIGKILL");
    }
    await eventually(() => world.status().every(({ state }) => state === "up"));
  }
  assert.ok(sent >= 30, `${sent} sent`);
  await eventually(() => {
    world.kenro(["queue", "retry"]);
    return world.kenro(["queue", "list", "--json"]).trim() === "[]";
  });
  // team → all → ann; team → all → bob and team → bob
  assert.equal(subjects(world, "ann/Maildir").length, sent);
  assert.equal(new Set(subjects(world, "ann/Maildir")).size, sent);
  assert.equal(subjects(world, "bob/Maildir").length, 2 * sent);
  const relayed = (who: string) => sink.messages.filter(({ rcpts }) => rcpts[0]?.includes(who)).length;
  // remote may say things twice when it is killed between the other server's answer and our note of it; the queue was
  assert.ok(relayed("x@far.test") >= sent && relayed("bob@far.test") >= 2 * sent);
});
