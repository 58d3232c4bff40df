// What is refused for its points may be a mistake: it can be found in the folder Rejects, and nowhere else.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test from "node:test";
import { startClamd, startRspamd, VIRUS } from "#test/support/checkers.ts";
import { converse, eventually, World } from "#test/support/world.ts";

const block = (name: string, kind: string, address: string): string =>
  `\n[[content]]\nname = "${name}"\nkind = "${kind}"\naddress = "${address}"\ntimeout = "10s"\n`;

const letter = (id: string, body: string, to: readonly string[]): string =>
  [
    "EHLO c.test",
    "MAIL FROM:<b@far.test>",
    ...to.map((each) => `RCPT TO:<${each}@a.test>`),
    "DATA",
    `From: b@far.test\r\nDate: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <${id}@far.test>\r\nSubject: x\r\n\r\n${body}\r\n.`,
    "QUIT\r\n",
  ].join("\r\n");

test("a message refused for its points lies in Rejects until it comes through; malware and plain spam do not", async (context) => {
  const answer = { action: "reject", score: 16, required_score: 15, symbols: {} as Record<string, unknown> };
  const rspamd = await startRspamd(() => answer);
  const clamd = await startClamd({ port: 0 });
  context.after(() => Promise.all([rspamd.close(), clamd.close()]));
  const world = await World.start(
    context,
    (toml) => toml + block("rspamd", "rspamd", rspamd.address) + block("clamav", "clamav", clamd.address),
  );
  const send = async (id: string, body = "x", to: readonly string[] = ["ann"]): Promise<string> => {
    const said = await converse(world.port(25), letter(id, body, to), 30_000);
    return said.split("\r\n").at(-3) ?? "";
  };
  const rejects = (user: string) =>
    ["new", "cur"].flatMap((place) => {
      const at = path.join(world.dir, "mail/a.test", user, "Maildir/.Rejects", place);
      return fs.existsSync(at) ? fs.readdirSync(at).map((name) => path.join(at, name)) : [];
    });
  const settled = (count: number) =>
    eventually(
      () =>
        world
          .kenro(["log"])
          .split("\n")
          .filter((line) => line.includes(" rejects_kept ")).length === count,
    );

  assert.match(
    await send("one", "a friend", ["ann", "bob"]),
    /^554 5\.7\.1 The message looks like spam \(rspamd\)/,
  );
  await settled(2);
  for (const user of ["ann", "bob"]) {
    const [file = "", ...more] = rejects(user);
    assert.equal(more.length, 0);
    assert.match(
      fs.readFileSync(file, "latin1"),
      /^Return-Path: <b@far\.test>\nDelivered-To: (?:ann|bob)@a\.test\nX-Kenro-Refused: 554 5\.7\.1 The message looks like spam \(rspamd\).*\nReceived: .*\n\na friend\n$/s,
    );
  }
  // sent again it is refused again, and kept once
  assert.match(await send("one", "a friend"), /^554/);
  await settled(3);
  assert.equal(rejects("ann").length, 1);
  // nobody shall find these
  answer.score = 40;
  assert.match(await send("plain-spam"), /^554/);
  answer.score = 16;
  assert.match(await send("virus", VIRUS), /^55/);
  answer.symbols = { CLAM_VIRUS: { score: 10 } };
  assert.match(await send("rspamd-virus"), /^554/);
  answer.symbols = {};
  await clamd.close();
  assert.match(await send("nobody-looked"), /^5|^4/);
  const again = await startClamd({ port: Number(clamd.address.split(":")[1]) });
  context.after(() => again.close());
  // once it is welcome, it is where it belongs
  answer.action = "no action";
  assert.match(await send("one", "a friend"), /^250/);
  await eventually(() => rejects("ann").length === 0 && world.delivered("ann").length === 1);
  assert.equal(rejects("bob").length, 1, "he was not asked this time");
  assert.equal(world.delivered("bob").length, 0);
  await settled(3);
  assert.deepEqual(JSON.parse(world.kenro(["queue", "list", "--json"])), []);
  // each of them counts once in the records
  const list = await converse(
    world.port(143),
    'a LOGIN bob@a.test secret-pw\r\nb STATUS Rejects (MESSAGES)\r\nb LSUB "" *\r\nc LOGOUT\r\n',
  );
  assert.match(list, /^\* LSUB \(\) "\/" "?Rejects"?\r$/m);
  assert.match(list, /^\* STATUS "?Rejects"? \(MESSAGES 1\)/m);
});
