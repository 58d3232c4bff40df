// What becomes of mail is remembered with the session that brought it, and holds back feeds that would refuse such mail.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import test from "node:test";
import { addFiles } from "#test/support/temporary.ts";
import { converse, eventually, judging, World } from "#test/support/world.ts";
import { startZone } from "#test/support/zone.ts";
import { sessionZones } from "../fixtures/sessions/zones.ts";

const kenro = path.resolve(import.meta.dirname, "../../bin/kenro");

const letter = (from: string, to: string) => [
  `MAIL FROM:<${from}>`,
  `RCPT TO:<${to}>`,
  "DATA",
  `From: ${from}`,
  "Date: Thu, 01 Jan 2026 10:00:00 +0000",
  "Subject: x",
  "",
  "x",
  ".",
];

async function site(context: Parameters<typeof World.start>[0]) {
  const zone = await startZone(sessionZones());
  context.after(() => zone.close());
  const world = await World.start(context, judging(zone.server));
  const send = async (ip: string, hello: string, from: string) => {
    const lines = [
      "EHLO proxy",
      `XCLIENT ADDR=${ip}`,
      `HELO ${hello}`,
      ...letter(from, "ann@a.test"),
      "QUIT",
      "",
    ];
    const said = await converse(world.port(25), lines.join("\r\n"), 30_000);
    assert.match(said, /^250 2\.0\.0 Queued/m, said);
  };
  const imap = async (...commands: readonly string[]) => {
    const all = ["LOGIN ann@a.test secret-pw", ...commands, "LOGOUT"].map((each, at) => `a${at} ${each}\r\n`);
    const said = await converse(world.port(143), all.join(""), 30_000);
    for (const at of all.keys()) assert.match(said, new RegExp(`^a${at} OK`, "m"), said);
  };
  const run = (...words: readonly string[]) =>
    spawnSync(kenro, [...words, "--dir", world.dir], { encoding: "utf8" });
  /** What is shown of the one session of this client. */
  const told = (ip: string) => {
    const [found] = JSON.parse(world.kenro(["policy", "sessions", "--json", "--ip", ip])) as readonly {
      readonly id: string;
    }[];
    return found ? world.kenro(["policy", "sessions", "--id", found.id]) : "";
  };
  return { world, send, imap, run, told };
}

test("a feed that would refuse mail which somebody kept waits; once it is junked, the feed counts", async (context) => {
  const { world, send, imap, run, told } = await site(context);
  await send("192.0.2.11", "mail.club.test", "board@club.test");
  await eventually(() => told("192.0.2.11").includes("in a mailbox"));
  const feed = path.join(world.dir, "given");
  addFiles(path.join(feed, "badmailfromdir"), "@club.test");
  const add = run("spamdb", "add", "jp", feed);
  assert.equal(add.status, 1, add.stdout);
  assert.match(add.stderr, /jp: waits for you\n.*was wanted: 1 recipient of 1.*board@club\.test/s);
  assert.match(add.stderr, /192\.0\.2\.11.*ann@a\.test.*yes.*refused \(sender-listed\)/);
  // moved into Junk, out again, and in again
  await imap("CREATE Junk", "CREATE Archive", "SELECT INBOX", "MOVE 1 Junk");
  await eventually(() => told("192.0.2.11").includes("in Junk"));
  await imap("SELECT Junk", "MOVE 1 Archive");
  await eventually(() => told("192.0.2.11").includes("in a mailbox"));
  assert.equal(run("spamdb", "update").status, 1);
  await imap("SELECT Archive", "COPY 1 Junk", "SELECT Junk", "CREATE Trash", "MOVE 1 Trash");
  await eventually(() => told("192.0.2.11").includes("in Junk"));
  const update = run("spamdb", "update");
  assert.match(update.stdout, /jp: 1 entry count/, update.stderr);
});

test("mail of somebody to whom our users write was wanted, wherever it lies", async (context) => {
  const { world, send, imap, run, told } = await site(context);
  const submitted = [
    "EHLO x",
    `AUTH PLAIN ${Buffer.from("\0ann@a.test\0secret-pw").toString("base64")}`,
    ...letter("ann@a.test", "info@shop.test"),
    "QUIT",
    "",
  ].join("\r\n");
  const sent = spawnSync(
    "openssl",
    ["s_client", "-quiet", "-crlf", "-ign_eof", "-connect", `127.0.0.1:${world.port(465)}`],
    { input: submitted.replaceAll("\r\n", "\n"), encoding: "utf8", timeout: 20_000 },
  );
  assert.match(sent.stdout, /^250 2\.0\.0 Queued/m, sent.stderr);
  await send("192.0.2.10", "mail.shop.test", "info@shop.test");
  await eventually(() => told("192.0.2.10").includes("in a mailbox"));
  assert.match(told("192.0.2.10"), /our users write to this sender/);
  await imap("CREATE Junk", "SELECT INBOX", "MOVE 1 Junk");
  await eventually(() => told("192.0.2.10").includes("in Junk"));
  const feed = path.join(world.dir, "given");
  addFiles(path.join(feed, "badmailfromdir"), "@shop.test");
  assert.match(run("spamdb", "add", "jp", feed).stderr, /waits for you/);
});
