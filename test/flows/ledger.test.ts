// The ledger through the whole server: who is asked to come again is remembered over a kill, nobody notices when it is dead, and the
// command line shows what it knows.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { converse, eventually, judging, World } from "#test/support/world.ts";
import { startZone } from "#test/support/zone.ts";
import { sessionZones } from "../fixtures/sessions/zones.ts";

const kenro = path.resolve(import.meta.dirname, "../../bin/kenro");

/** The rules of a server whose list in DNS makes 192.0.2.10 suspicious (listed with 8 points), and a proxy on loopback that says who the client is. */
async function site(context: TestContext, more: (toml: string) => string = (toml) => toml) {
  const zone = await startZone({
    ...sessionZones(),
    "2.0.0.127.bl.test": { A: ["127.0.0.2"] },
    "10.2.0.192.bl.test": { A: ["127.0.0.2"] },
  });
  context.after(() => zone.close());
  const world = await World.start(context, (toml) =>
    more(
      judging(zone.server)(toml)
        .replace(/^lists = .*$/m, 'lists = ["bl.test=127.0.0.2*8"]')
        .replace(/^traps = .*$/m, 'traps = ["trap@a.test"]')
        .replace(/^greylist_delay = .*$/m, 'greylist_delay = "3s"'),
    ),
  );
  const send = (ip: string, to: readonly string[], from = "info@shop.test") =>
    converse(
      world.port(25),
      [
        "EHLO proxy",
        `XCLIENT ADDR=${ip}`,
        "HELO mail.shop.test",
        `MAIL FROM:<${from}>`,
        ...to.map((each) => `RCPT TO:<${each}>`),
        "DATA",
        "From: info@shop.test",
        "Subject: x",
        "",
        "x",
        ".",
        "QUIT",
        "",
      ].join("\r\n"),
      30_000,
    );
  return { world, send };
}

interface Session {
  readonly id: string;
  readonly ip: string;
  readonly verdict: string;
  readonly unknown: number;
  readonly refused: readonly { readonly rule: string }[];
  readonly stages: readonly {
    readonly rules: readonly { readonly rule: string; readonly evidence: string }[];
  }[];
}

const recorded = (world: World, ...words: readonly string[]) =>
  JSON.parse(world.kenro(["policy", "sessions", "--json", ...words])) as readonly Session[];

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("greylisting is remembered over kill -9, and mail flows while the ledger is dead", async (context) => {
  const { world, send } = await site(context);
  const role = world.status().find((each) => each.role === "ledger");
  assert.equal(role?.state, "up");
  const first = await send("192.0.2.10", ["ann@a.test"]);
  assert.match(first, /^451 4\.7\.1 .*\(greylist\)/m);
  // what was answered may be lost for half a second
  await pause(1200);
  const pid = world.pid("ledger");
  process.kill(pid, "SIGKILL");
  // nobody notices, in the moment and after
  const during = await Promise.all(
    Array.from({ length: 5 }, () => send("192.0.2.11", ["ann@a.test"], "board@club.test")),
  );
  for (const said of during) assert.match(said, /^250 2\.0\.0 Queued/m);
  await eventually(() => world.status().some((each) => each.role === "ledger" && each.state === "up"));
  assert.notEqual(world.pid("ledger"), pid);
  await pause(2500);
  assert.match(await send("192.0.2.10", ["ann@a.test"]), /^250 2\.0\.0 Queued/m, "it came again");
  assert.match(await send("192.0.2.10", ["bob@a.test"]), /^250 2\.0\.0 Queued/m, "its network has passed");
  // a ledger that hangs is no more in the way than a dead one
  process.kill(world.pid("ledger"), "SIGSTOP");
  const began = performance.now();
  assert.match(await send("192.0.2.10", ["ann@a.test"]), /^250 2\.0\.0 Queued/m);
  assert.ok(performance.now() - began < 5000);
  process.kill(world.pid("ledger"), "SIGCONT");
  const sessions = await eventually(() => {
    const all = recorded(world, "--ip", "192.0.2.10");
    return all.length >= 3 && all;
  });
  assert.equal(sessions[0]?.verdict, "deferred");
  assert.deepEqual(
    sessions[0]?.refused.map(({ rule }) => rule),
    ["greylist"],
  );
  assert.ok(
    sessions[0]?.stages
      .flatMap(({ rules }) => rules)
      .some(({ rule, evidence }) => rule === "dnsbl" && evidence.includes("bl.test")),
  );
  const [only] = recorded(world, "--id", sessions[0]?.id ?? "");
  assert.deepEqual(only, sessions[0]);
  assert.match(world.kenro(["policy", "sessions", "--id", sessions[0]?.id ?? ""]), /451 greylist: from/);
  const [day] = JSON.parse(world.kenro(["policy", "stats", "--json", "--days", "2"])) as readonly {
    readonly rules: Readonly<Record<string, { readonly deferred: number }>>;
    readonly sessions: number;
  }[];
  assert.equal(day?.rules["greylist"]?.deferred, 1);
  assert.match(world.kenro(["policy", "stats"]), /^ {2}greylist +0 +1 +0$/m);
});

test("guessers are slowed down, sent away and banned; traps are remembered; a person bans and unbans", async (context) => {
  const { world, send } = await site(context);
  const unknown = (from: number, count: number) =>
    Array.from({ length: count }, (_, n) => `nobody${from + n}@a.test`);
  // a trap on a good client: refused, remembered, nothing more
  assert.match(await send("192.0.2.12", ["trap@a.test"], ""), /^550 5\.1\.1 .*\(recipient-trap\)/m);
  // many sessions of few recipients each, at once
  await Promise.all(
    Array.from({ length: 16 }, (_, n) => send("192.0.2.11", unknown(10 * n, 4), "board@club.test")),
  );
  const bans = () =>
    JSON.parse(world.kenro(["ban", "list", "--json"])) as readonly { client: string; author: string }[];
  // those that came a little later were sent away: who goes on is banned
  for (let round = 0; bans().length === 0 && round < 20; round++)
    await Promise.all(
      Array.from({ length: 16 }, (_, n) => send("192.0.2.11", unknown(n, 1), "board@club.test")),
    );
  const banned = bans();
  assert.deepEqual(
    banned.map(({ client, author }) => [client, author]),
    [["192.0.2.11", "ledger"]],
  );
  const said = await send("192.0.2.11", ["ann@a.test"], "board@club.test");
  assert.match(said, /^421 4\.7\.0 .*\(ban\)/m);
  assert.ok(!said.includes("Queued"));
  world.kenro(["ban", "del", "192.0.2.11"]);
  assert.match(await send("192.0.2.11", ["ann@a.test"], "board@club.test"), /^250 2\.0\.0 Queued/m);
  world.kenro(["ban", "add", "192.0.2.0/24", "--for", "2h", "--comment", "enough of them"]);
  assert.match(await send("192.0.2.11", ["ann@a.test"], "board@club.test"), /^421 4\.7\.0 .*\(ban\)/m);
  assert.match(world.kenro(["ban", "list"]), /^192\.0\.2\.0\/24 .*enough of them$/m);
  process.kill(world.pid("ledger"), "SIGKILL");
  await eventually(() => world.status().some((each) => each.role === "ledger" && each.state === "up"));
  await eventually(() => world.kenro(["ban", "list"]).includes("enough of them"));
  const wrong = (...words: readonly string[]) =>
    spawnSync(kenro, [...words, "--dir", world.dir], { encoding: "utf8" });
  assert.equal(wrong("ban", "add", "x").status, 2);
  assert.equal(wrong("ban", "add", "192.0.2.1", "--for", "never").status, 2);
  assert.equal(wrong("ban", "del", "198.51.100.1").status, 1);
  assert.equal(wrong("policy", "stats", "--days", "0").status, 2);
  await world.stop();
  const stopped = wrong("ban", "list");
  assert.equal(stopped.status, 111);
  assert.match(stopped.stderr, /^No server runs in ".*"; start it with: kenro start/);
  // the records can be read all the same
  const trap = recorded(world, "--ip", "192.0.2.12");
  assert.deepEqual(
    trap.map(({ verdict }) => verdict),
    ["refused"],
  );
  const guesses = recorded(world, "--ip", "192.0.2.11");
  assert.ok(guesses.some(({ unknown: count, verdict }) => count > 0 && verdict === "none"));
  assert.equal(recorded(world, "--ip", "192.0.2.11", "--last", "2").length, 2);
});

test("whom our users write to may write back", async (context) => {
  const { world, send } = await site(context);
  assert.match(await send("192.0.2.10", ["ann@a.test"]), /^451 4\.7\.1 .*\(greylist\)/m);
  const letter = path.join(world.dir, "letter");
  execFileSync("sh", ["-c", `printf 'Subject: x\\r\\n\\r\\nx\\r\\n' > '${letter}'`]);
  execFileSync("curl", [
    "--silent",
    "--insecure",
    "--ssl-reqd",
    "--user",
    "ann@a.test:secret-pw",
    "--mail-from",
    "ann@a.test",
    "--mail-rcpt",
    "info@shop.test",
    "--upload-file",
    letter,
    `smtp://127.0.0.1:${world.port(587)}`,
  ]);
  // SPF says that the sender is not forged
  assert.match(await send("192.0.2.10", ["ann@a.test"]), /^250 2\.0\.0 Queued/m);
});
