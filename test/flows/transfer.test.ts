// A queue out of one server and into another, as an administrator moves one: while they run and when they do not, twice without doubles.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import test, { type TestContext } from "node:test";
import nodemailer from "nodemailer";
import { startSink } from "../support/smtpsink.ts";
import { eventually, World } from "../support/world.ts";

const smarthost = (context: TestContext, host: string) =>
  World.start(context, (toml) => toml.replace(/^smarthost = .*$/m, `smarthost = "${host}"`));

/** Nobody is there. */
const NOWHERE = "127.0.0.1:1";

async function submit(world: World, subject: string, text: string): Promise<void> {
  const mailer = nodemailer.createTransport({
    host: "127.0.0.1",
    port: world.port(465),
    secure: true,
    tls: { rejectUnauthorized: false },
    auth: { user: "ann@a.test", pass: "secret-pw" },
  });
  await mailer.sendMail({ from: "ann@a.test", to: [`${subject}@${subject}.test`], subject, text });
  mailer.close();
}

interface Row {
  readonly id: string;
  readonly state: string;
  readonly size: number;
  readonly arrived: number;
  readonly recipients: readonly { readonly attempts: number; readonly reason: string }[];
}

const listed = (world: World) => JSON.parse(world.kenro(["queue", "list", "--json"])) as readonly Row[];
const known = (rows: readonly Row[]) =>
  rows.map(({ id, state, size, arrived, recipients }) => ({
    id,
    state,
    size,
    arrived,
    tried: recipients.map(({ attempts, reason }) => [attempts > 0, reason]),
  }));

const imported = (world: World, file: string) =>
  JSON.parse(world.kenro(["queue", "import", file, "--json"])) as Record<string, number>;

test("a queue is exported and imported, running or stopped, with all that is known of it and without doubles", async (context) => {
  const from = await smarthost(context, NOWHERE);
  await submit(from, "small", "x");
  await submit(from, "large", "a line that makes it long\n".repeat(30_000));
  await submit(from, "held", "y");
  await eventually(() => {
    const rows = listed(from);
    if (rows.length === 3 && rows.every(({ state }) => state === "deferred")) return true;
    from.kenro(["queue", "retry"]);
    return false;
  });
  from.kenro(["queue", "hold", "--recipient", "held@held.test"]);
  const files = ["running", "stopped"].map((name) => path.join(from.dir, name));
  const [running = "", stopped = ""] = files;
  from.kenro(["queue", "export", running]);
  await from.stop();
  const before = known(listed(from));
  from.kenro(["queue", "export", stopped]);
  assert.equal(fs.statSync(running).mode & 0o777, 0o600);

  const sink = await startSink({});
  context.after(() => sink.stop());
  const to = await smarthost(context, NOWHERE);
  // what is cut off is told; what was whole before counts
  const cut = fs.readFileSync(running);
  const ran = spawnSync(
    path.resolve(import.meta.dirname, "../../bin/kenro"),
    ["queue", "import", "-", "--dir", to.dir],
    { input: cut.subarray(0, cut.length - 40), encoding: "utf8" },
  );
  assert.equal(ran.status, 1, ran.stderr);
  assert.match(ran.stderr, /cut off/);
  const counts = imported(to, running);
  assert.equal((counts["imported"] ?? 0) + (counts["known"] ?? 0), 3);
  assert.deepEqual(imported(to, running), { imported: 0, known: 3, refused: 0 });
  assert.deepEqual(
    known(listed(to)).map(({ id, state, size }) => [id, state, size]),
    before.map(({ id, state, size }) => [id, state, size]),
  );
  assert.deepEqual(known(listed(to)), before);

  // into a spool of its own that nobody works on
  const third = await smarthost(context, `127.0.0.1:${sink.port}`);
  await third.stop();
  assert.deepEqual(imported(third, stopped), { imported: 3, known: 0, refused: 0 });
  assert.deepEqual(known(listed(third)), before);
  await third.up();
  third.kenro(["queue", "release", "--all", "--yes"]);
  third.kenro(["queue", "retry"]);
  await eventually(() => sink.messages.length === 3 && listed(third).length === 0);
  // they have left the queue, and come in no more, before and after a start
  assert.deepEqual(imported(third, stopped), { imported: 0, known: 3, refused: 0 });
  await third.stop();
  assert.deepEqual(imported(third, running), { imported: 0, known: 3, refused: 0 });
  await third.up();
  assert.deepEqual(listed(third), []);
  assert.equal(sink.messages.length, 3);
  const large = sink.messages.find(({ rcpts }) => rcpts.some((rcpt) => rcpt.includes("large@")));
  assert.equal((large?.raw.match(/a line that makes it long/g) ?? []).length, 30_000);
});
