// Extensions of SMTP through the whole server: what comes in chunks, beyond ASCII and for others arrives, and the log finds it again.

import assert from "node:assert/strict";
import fs from "node:fs";
import test from "node:test";
import { converse, eventually, World } from "../support/world.ts";

const bdat = (text: string, last = "") => `BDAT ${Buffer.byteLength(text)}${last}\r\n${text}`;

const received = (file: string) => {
  const text = fs.readFileSync(file, "utf8");
  return { text, id: /\n\tid ([^\s;]+)/.exec(text)?.[1] ?? "" };
};

/** Lines of the log that belong to a message or session. */
const logOf = (world: World, id: string): readonly { role: string; event: string }[] =>
  world
    .kenro(["log", "--id", id, "--json"])
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { role: string; event: string });

test("a message in chunks is delivered, and its id in Received finds all that was logged of it", async (context) => {
  const world = await World.start(context);
  const large = "0123456789abcdef\r\n".repeat(20_000);
  const said = await converse(
    world.port(25),
    `EHLO c.test\r\nMAIL FROM:<>\r\nRCPT TO:<nobody@a.test>\r\nRCPT TO:<ann@a.test>\r\n${bdat("Subject: chunks\r\n\r\n.\r\n")}${bdat(large)}${bdat("end", " LAST")}QUIT\r\n`,
  );
  assert.match(said, /250 2\.0\.0 360000 octets received\r\n250 2\.0\.0 Queued as /);
  const [file = ""] = await eventually(() =>
    world.delivered("ann").length === 1 ? world.delivered("ann") : false,
  );
  const { text, id } = received(file);
  assert.ok(text.endsWith(`\nSubject: chunks\n\n.\n${large.replaceAll("\r\n", "\n")}end\n`));
  const session = /550 5\.1\.1 [^[]*\[([^\]]+)\]/.exec(said)?.[1] ?? "";
  const wanted = [
    "smtpd smtp_connect",
    "smtpd smtp_reject",
    "smtpd smtp_accept",
    "smtpd smtp_disconnect",
    "queue queue_new",
    "local local_delivered",
    "queue queue_end",
  ];
  await eventually(() => logOf(world, id).some(({ event }) => event === "queue_end"));
  for (const name of [id, session]) {
    const found = logOf(world, name).map(({ role, event }) => `${role} ${event}`);
    for (const line of wanted) assert.ok(found.includes(line), `${name}: ${line} is not in ${found}`);
  }
});

test("addresses beyond ASCII are delivered in every spelling", async (context) => {
  const world = await World.start(context);
  world.kenro(["domain", "add", "bücher.test"]);
  world.kenro(["user", "add", "jürgen@bücher.test", "--password-stdin"], "secret-pw\n");
  const said = await converse(
    world.port(25),
    Buffer.from(
      "EHLO c.test\r\nMAIL FROM:<größe@far.test> SMTPUTF8 BODY=8BITMIME\r\nRCPT TO:<ju\u0308rgen@BÜCHER.test>\r\nRCPT TO:<Jürgen@xn--bcher-kva.test>\r\nRCPT TO:<nobödy@bücher.test>\r\nDATA\r\nSubject: grüße\r\n\r\n.\r\nQUIT\r\n",
    ),
  );
  assert.match(said, /250 2\.1\.5 [^\n]*\n250 2\.1\.5 [^\n]*\n550 5\.1\.1 [^\n]*\n354 [^\n]*\n250 2\.0\.0 /);
  const at = `${world.dir}/mail/xn--bcher-kva.test`;
  const box = await eventually(() => fs.existsSync(at) && fs.readdirSync(at)[0]);
  const place = `${at}/${box}/Maildir/new`;
  await eventually(() => fs.existsSync(place) && fs.readdirSync(place).length === 2);
  const texts = fs.readdirSync(place).map((name) => fs.readFileSync(`${place}/${name}`, "utf8"));
  for (const text of texts) {
    assert.match(text, /^Return-Path: <größe@far\.test>\n/);
    assert.match(text, /with UTF8SMTP\n/);
    assert.match(text, /\nSubject: grüße\n/);
  }
});

test("XCLIENT and the site's text of whom to ask come from the configuration", async (context) => {
  const world = await World.start(context, (toml) =>
    toml
      .replace(/^contact = .*$/m, 'contact = "https://a.test/mail"')
      .replace(/^xclient = .*$/m, 'xclient = ["127.0.0.0/8"]')
      // this client says all at once, and no DNS knows it
      .replace(/^off = .*$/m, 'off = ["early-talker", "hello-unresolvable"]'),
  );
  const said = await converse(
    world.port(25),
    "EHLO proxy.test\r\nXCLIENT ADDR=192.0.2.9 NAME=mx.far.test\r\nEHLO far.test\r\nMAIL FROM:<>\r\nRCPT TO:<nobody@a.test>\r\nRCPT TO:<ann@a.test>\r\nDATA\r\nFrom: a@far.test\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n",
  );
  assert.match(said, /250-XCLIENT NAME ADDR/);
  assert.match(said, /\n550 5\.1\.1 No such user here \[[^\]]+\] https:\/\/a\.test\/mail\r\n/);
  const [file = ""] = await eventually(() =>
    world.delivered("ann").length === 1 ? world.delivered("ann") : false,
  );
  assert.match(received(file).text, /Received: from far\.test \(mx\.far\.test \[192\.0\.2\.9\]\)\n/);
});
