// The queue's tools as an administrator uses them, on the real server: list, show, stats, hold, release, bounce, remove; and the list
// when no server runs.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import test, { type TestContext } from "node:test";
import nodemailer from "nodemailer";
import { eventually, World } from "../support/world.ts";

interface Row {
  readonly id: string;
  readonly sender: string;
  readonly state: string;
  readonly recipients: readonly {
    readonly address: string;
    readonly state: string;
    readonly attempts: number;
  }[];
}

/** A server whose smarthost cannot be reached. */
const cutOff = (context: TestContext) =>
  World.start(context, (toml) => toml.replace(/^smarthost = .*$/m, 'smarthost = "127.0.0.1:1"'));

async function submit(world: World, to: readonly string[], subject: string): Promise<void> {
  const mailer = nodemailer.createTransport({
    host: "127.0.0.1",
    port: world.port(465),
    secure: true,
    tls: { rejectUnauthorized: false },
    auth: { user: "ann@a.test", pass: "secret-pw" },
  });
  await mailer.sendMail({ from: "ann@a.test", to: [...to], subject, text: "x" });
  mailer.close();
}

const listed = (world: World, ...words: readonly string[]) =>
  JSON.parse(world.kenro(["queue", "list", "--json", ...words])) as readonly Row[];

/** Runs a command that may fail. */
function run(world: World, words: readonly string[]) {
  const program = path.resolve(import.meta.dirname, "../../bin/kenro");
  const ran = spawnSync(program, [...words, "--dir", world.dir], { encoding: "utf8", input: "" });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}

/** Every file of the spool with its bytes and times. */
function spoolOf(world: World): readonly string[] {
  const at = path.join(world.dir, "spool");
  return fs
    .readdirSync(at, { recursive: true, encoding: "utf8" })
    .map((name) => path.join(at, name))
    .filter((file) => fs.statSync(file).isFile())
    .sort()
    .map((file) => `${file} ${fs.statSync(file).mtimeMs} ${fs.readFileSync(file).toString("latin1")}`);
}

/** All have been tried once: what waits behind the first attempt at its destination, too. */
const tried = (world: World, count: number) =>
  eventually(() => {
    const rows = listed(world, "--status", "deferred");
    if (rows.length === count) return rows;
    world.kenro(["queue", "retry"]);
    return false;
  });

test("a message that cannot be delivered: list, show, hold, restart, still held, release, bounce to its sender", async (context) => {
  const world = await cutOff(context);
  await submit(world, ["far@unreachable.test"], "out");
  const [row] = await tried(world, 1);
  const id = row?.id ?? "";
  const shown = world.kenro(["queue", "show", id, "--headers"]);
  for (const text of [
    /^Message {3}\S+$/m,
    /^From {6}<ann@a\.test>$/m,
    /^Status {4}deferred$/m,
    /^Envelope {2}handed in by a user/m,
    /^To <far@unreachable\.test>: waiting, \d attempts?, next in \d+[sm] \(\d{4}-/m,
    /^ {4}connection: the other server cannot be reached/m,
    /^ {4}4\.4\.1 \S/m,
    /^Subject: out$/m,
  ])
    assert.match(shown, text);
  const json = JSON.parse(world.kenro(["queue", "show", id, "--json"])) as {
    envelope: { submitted: boolean };
    recipients: { failure: string; status: string; next: number }[];
  };
  assert.equal(json.envelope.submitted, true);
  assert.deepEqual([json.recipients[0]?.failure, json.recipients[0]?.status], ["connection", "4.4.1"]);
  assert.ok((json.recipients[0]?.next ?? 0) > Date.now());
  assert.equal(world.kenro(["queue", "hold", id]), "1 message is held\n");
  const { attempts } = listed(world)[0]?.recipients[0] ?? { attempts: -1 };
  await world.stop();
  await world.up();
  world.kenro(["queue", "retry"]);
  assert.equal(listed(world)[0]?.state, "held");
  assert.match(
    world.kenro(["queue", "list"]),
    /from <ann@a\.test> {2}held\n {4}<far@unreachable\.test> {2}held, /,
  );
  assert.match(world.kenro(["queue", "list", "--format", "mailq"]), new RegExp(`^${id}! `, "m"));
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(listed(world)[0]?.recipients[0]?.attempts, attempts);
  assert.equal(world.kenro(["queue", "release", id]), "1 message is released\n");
  assert.match(world.kenro(["queue", "retry", id]), /^1 recipient is tried now/);
  await eventually(() => (listed(world)[0]?.recipients[0]?.attempts ?? 0) > attempts);
  await tried(world, 1);
  assert.equal(world.kenro(["queue", "bounce", id]), "1 message goes back to its sender\n");
  const [file = ""] = await eventually(() => world.delivered("ann").length === 1 && world.delivered("ann"));
  const bounce = fs.readFileSync(file, "utf8");
  for (const text of [
    /^Return-Path: <>/,
    /multipart\/report/,
    /rfc822; far@unreachable\.test/,
    /has returned the message/,
  ])
    assert.match(bounce.replaceAll(/\n\s+/g, " "), text);
  await eventually(() => listed(world).length === 0);
  assert.equal(world.kenro(["queue", "list"]), "The queue is empty\n");
});

test("filters select, many are done only with --yes, stats count; what is removed tells nobody", async (context) => {
  const world = await cutOff(context);
  await submit(world, ["a@one.test", "b@two.test"], "1");
  await submit(world, ["c@two.test"], "2");
  await submit(world, ["d@three.test"], "3");
  await eventually(() => listed(world).length === 3);
  // two.test may be known as away before the second message came: then it waits for its turn (docs/queue.md T4)
  world.kenro(["queue", "retry", "--recipient", "c@two.test"]);
  const rows = await tried(world, 3);
  const ids = rows.map(({ id }) => id);
  const counted = JSON.parse(world.kenro(["queue", "stats", "--json"])) as {
    messages: number;
    states: unknown;
    domains: { domain: string; recipients: number }[];
    failures: { failure: string }[];
    ages: { seconds: number | null; messages: number }[];
  };
  assert.equal(counted.messages, 3);
  assert.deepEqual(counted.states, { held: 0, running: 0, deferred: 3, waiting: 0 });
  assert.deepEqual(counted.domains[0]?.domain, "two.test");
  assert.deepEqual(counted.ages[0], { seconds: 600, messages: 3 });
  assert.match(
    world.kenro(["queue", "stats"]),
    /^DESTINATION +RECIPIENTS +DEFERRED +OLDEST\ntwo\.test +2 +2 /m,
  );
  const select = (...words: readonly string[]) => listed(world, ...words).map(({ id }) => ids.indexOf(id));
  assert.deepEqual(select("--recipient", "@two.test"), [0, 1]);
  assert.deepEqual(select("--recipient", "D@three.test"), [2]);
  assert.deepEqual(select("--sender", "@a.test", "--recipient", "a@one.test"), [0]);
  assert.deepEqual(select("--sender", "<>"), []);
  assert.deepEqual(select("--age", "1h"), []);
  assert.deepEqual(select("--status", "held"), []);
  const asked = run(world, ["queue", "remove", "--recipient", "@two.test"]);
  assert.deepEqual([asked.code, asked.out], [1, ""]);
  assert.match(asked.err, /^This would remove 2 messages to 3 recipients; say so with --yes\n$/);
  assert.equal(listed(world).length, 3);
  assert.equal(run(world, ["queue", "remove"]).code, 2);
  assert.equal(run(world, ["queue", "hold", "--age", "soon"]).code, 2);
  assert.equal(run(world, ["queue", "list", "--format", "xml"]).code, 2);
  for (const verb of ["show", "retry", "hold", "release", "bounce", "remove"]) {
    const ran = run(world, ["queue", verb, "gone-1"]);
    assert.deepEqual([ran.code, ran.out], [1, ""], verb);
    assert.match(ran.err, /^No message "gone-1" (?:is|waits) in the queue; see: kenro queue list\n$/);
  }
  assert.equal(
    world.kenro(["queue", "remove", "--recipient", "@two.test", "--yes"]),
    "2 messages are removed\n",
  );
  assert.equal(world.kenro(["queue", "remove", "--age", "1h"]), "No message matches\n");
  assert.deepEqual(select(), [2]);
  assert.equal(world.kenro(["queue", "remove", "--recipient", "@three.test"]), "1 message is removed\n");
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.deepEqual(world.delivered("ann"), []);
});

test("the list when no server runs: read from the spool, of which no byte changes", async (context) => {
  const world = await cutOff(context);
  await submit(world, ["far@unreachable.test"], "out");
  const [row] = await tried(world, 1);
  world.kenro(["queue", "hold", row?.id ?? ""]);
  await submit(world, ["near@unreachable.test"], "more");
  const before = listed(world);
  await world.stop();
  const spool = spoolOf(world);
  const offline = listed(world);
  assert.deepEqual(
    offline.map(({ id, sender, state }) => [id, sender, state]),
    before.map(({ id, sender, state }) => [id, sender, state]),
  );
  assert.deepEqual(offline[0]?.recipients, before[0]?.recipients);
  assert.deepEqual(
    listed(world, "--status", "held").map(({ id }) => id),
    [row?.id],
  );
  const text = world.kenro(["queue", "list"]);
  assert.match(text, /^No server runs in "[^"]+"; this is what its queue holds:\n/);
  assert.match(text, /<far@unreachable\.test> {2}held, 1 attempt\n[\s\S]*\n2 messages\n$/);
  assert.deepEqual(spoolOf(world), spool);
  // one that starts meanwhile is not disturbed, and nobody is told of half a queue
  let up = false;
  const starting = world.up().then(() => {
    up = true;
  });
  for (let looks = 0; !up || looks < 3; looks++) {
    const { code, out, err } = run(world, ["queue", "list", "--json"]);
    if (code === 0) assert.equal((JSON.parse(out) as Row[]).length, 2);
    else assert.equal(code, 111, err);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await starting;
  // not one of the others' business
  await world.stop();
  if (process.getuid?.() === 0) {
    const stranger = spawnSync(
      path.resolve(import.meta.dirname, "../../bin/kenro"),
      ["queue", "list", "--dir", world.dir],
      { uid: 65_534, gid: 65_534, encoding: "utf8" },
    );
    assert.notEqual(stranger.status, 0);
    assert.ok(!stranger.stdout.includes("unreachable"), stranger.stdout);
  }
});
