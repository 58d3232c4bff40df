// QMTP and QMQP on the real server: a client written by hand, qmqpc, and Postfix's qmqpd beside ours.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import test from "node:test";
import { formatNetstring } from "#wire/netstring.ts";
import { freePort } from "../support/loopback.ts";
import { needPostfix, startPostfix } from "../support/postfix.ts";
import { need } from "../support/tools.ts";
import { converse, eventually, World } from "../support/world.ts";

const root = path.resolve(import.meta.dirname, "../..");

const mailOf = (world: World, user: string): readonly string[] => {
  const at = path.join(world.dir, `mail/a.test/${user}/Maildir/new`);
  return fs.existsSync(at)
    ? fs.readdirSync(at).map((name) => fs.readFileSync(path.join(at, name), "utf8"))
    : [];
};

type Message = readonly [encoding: string, message: string, sender: string, recipients: readonly string[]];

function python(kind: "qmtp" | "qmqp", port: number, messages: readonly Message[]): readonly string[] {
  const script = path.join(root, "test/support/qmail.py");
  const ran = spawnSync("python3", [script, kind, String(port)], {
    input: JSON.stringify(messages),
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.equal(ran.status, 0, ran.stderr);
  return ran.stdout.split("\n").filter((line) => line !== "");
}

test("a QMTP client gets an answer for each recipient of each message, and the mail arrives", async (context) => {
  if (!need(context, "python3")) return;
  const world = await World.start(context);
  const answers = python("qmtp", world.base + 209, [
    ["\n", "Subject: one\n\n.\nhello\n", "x@far.test", ["ann@a.test", "no@a.test", "x@elsewhere.test"]],
    ["\r", "Subject: two\r\n\r\nhello\r\n", "", ["bob@a.test", "ann@a.test"]],
    ["\r", "Subject: bad\n\r\n", "x@far.test", ["ann@a.test"]],
  ]);
  assert.equal(answers.length, 6, answers.join("\n"));
  assert.match(answers[0] ?? "", /^Kok \d+ qp \S+$/);
  assert.deepEqual(answers.slice(1, 3), [
    "DNo such user here (#5.1.1)",
    "Dsorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
  ]);
  assert.match(answers[3] ?? "", /^Kok \d+ qp \S+$/);
  assert.equal(answers[4], answers[3]);
  assert.match(answers[5] ?? "", /^DRefused: .* \(#5\.6\.0\)$/);
  const anns = await eventually(() => (mailOf(world, "ann").length >= 2 ? mailOf(world, "ann") : false));
  const one = anns.find((each) => each.includes("Subject: one")) ?? "";
  assert.match(one, /^Return-Path: <x@far\.test>\n/);
  assert.match(one, /by mail\.a\.test with QMTP\n/);
  assert.ok(one.endsWith("Subject: one\n\n.\nhello\n"));
  await eventually(() => mailOf(world, "bob").length === 1);
  assert.equal(mailOf(world, "ann").length, 2);
});

/** qmqpc with a message and an envelope; the exit code. */
async function qmqpc(
  servers: readonly string[],
  envelope: string,
  message = "Subject: x\n\nhello\n",
): Promise<number> {
  const env = { PATH: process.env["PATH"] ?? "", KENRO_QMQPSERVERS: "/nowhere" };
  const child = spawn(path.join(root, "bin/kenro"), ["qmqpc", ...servers], {
    env,
    stdio: ["pipe", "pipe", "ignore"],
  });
  const { promise, resolve } = Promise.withResolvers<number>();
  child.once("exit", (code) => resolve(code ?? -1));
  for (const stream of [child.stdin, child.stdout]) stream?.on("error", () => {});
  child.stdin?.end(message);
  // what is its descriptor 1 can be written to here: it is one end of a pair of sockets
  (child.stdout as unknown as net.Socket).end(envelope);
  return promise;
}

/** A server that answers every query with these bytes and hangs up; its address. */
async function saying(bytes: string): Promise<{ readonly at: string; readonly stop: () => void }> {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end(bytes));
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  return { at: `127.0.0.1:${port}`, stop: () => server.close() };
}

test("qmqpc hands over what it reads by the interface of qmail-queue, to the first server that is there", async (context) => {
  const world = await World.start(context);
  const nobody = `127.0.0.1:${await freePort()}`;
  const server = `127.0.0.1:${world.base + 628}`;
  assert.equal(await qmqpc([nobody, server], "Fx@far.test\0Tann@a.test\0Tbob@a.test\0\0"), 0);
  const [mail = ""] = await eventually(() =>
    mailOf(world, "ann").length > 0 ? mailOf(world, "ann") : false,
  );
  assert.match(mail, /^Return-Path: <x@far\.test>\n/);
  assert.match(mail, /with QMQP\n/);
  await eventually(() => mailOf(world, "bob").length === 1);
  assert.equal(await qmqpc([server], "Fx@far.test\0Tan\nn@@a..test\0\0"), 31);
  assert.equal(await qmqpc([server], "Fx@far.test\0Tann@a.test\0"), 91);
  assert.equal(await qmqpc([server], "Tann@a.test\0\0"), 91);
  assert.equal(await qmqpc([], "Fx@far.test\0Tann@a.test\0\0"), 55);
  assert.equal(await qmqpc([nobody], "Fx@far.test\0Tann@a.test\0\0"), 73);
  const answers: readonly (readonly [said: string, code: number])[] = [
    ["3:Kok,", 0],
    ["6:Zlater,", 71],
    ["6:Dnever,", 31],
    ["6:strange,", 71],
    ["", 74],
    ["10:K", 74],
    ["220 mail ESMTP\r\n", 74],
    ["9999999999:K", 74],
  ];
  for (const [said, code] of answers) {
    const { at, stop } = await saying(said);
    assert.equal(await qmqpc([at], "Fx@far.test\0Tann@a.test\0\0"), code, said);
    stop();
  }
});

test("who is not of its networks hears so in QMQP", async (context) => {
  const world = await World.start(context, (toml, base) =>
    toml.concat(
      `\n[[listener]]\nname = "inside"\nclass = "qmqp"\naddresses = ["127.0.0.1:${base + 629}"]\ntls = "none"\nnetworks = ["192.0.2.0/24"]\n`,
    ),
  );
  assert.equal(
    await converse(world.base + 629, ""),
    "58:Dsorry, this listener does not serve your network (#5.7.1),",
  );
  assert.equal(await qmqpc([`127.0.0.1:${world.base + 629}`], "Fx@far.test\0Tann@a.test\0\0"), 31);
});

const net1 = (text: string): string => formatNetstring(text).toString("latin1");
const query = (message: string, ...addresses: readonly string[]): string =>
  net1(net1(message) + addresses.map(net1).join(""));

const queries: readonly (readonly [what: string, sent: string])[] = [
  ["a message", query("Subject: x\n\nhello\n", "x@far.test", "ann@a.test")],
  ["several recipients", query("Subject: x\n\nhello\n", "x@far.test", "ann@a.test", "b@b.test", "c@c.test")],
  ["the null sender", query("Subject: x\n\nhello\n", "", "ann@a.test")],
  ["an empty message", query("", "x@far.test", "ann@a.test")],
  ["no length", "hello\n"],
  ["an endless length", "99999999999999999999"],
  ["no comma behind the message", `${net1("5:hello;")}`],
  ["an address longer than what is around it", net1(`${net1("x\n")}20:x@far.test,`)],
];

test("Postfix's qmqpd answers with the same letter, or says of garbage what we say by hanging up as qmail does", async (context) => {
  if (!needPostfix(context)) return;
  const port = await startPostfix(context, { qmqpd_authorized_clients: "127.0.0.1" }, "qmqpd");
  const world = await World.start(context);
  for (const [what, sent] of queries) {
    const [theirs, ours] = await Promise.all([converse(port, sent), converse(world.base + 628, sent)]);
    context.diagnostic(`${what}: Postfix ${JSON.stringify(theirs)}, ours ${JSON.stringify(ours)}`);
    const letter = (said: string) => /^\d+:([KZD])/.exec(said)?.[1] ?? "closed";
    const wanted = letter(theirs) === "closed" || letter(theirs) === "D" ? ["closed", "D"] : [letter(theirs)];
    assert.ok(wanted.includes(letter(ours)), `${what}: ${theirs} / ${ours}`);
  }
});
