// How the server starts: from where its users' checkouts really are, from which code, and with how much memory.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { converse, eventually, World } from "../support/world.ts";

const root = path.resolve(import.meta.dirname, "../..");
const notRoot = process.getuid?.() !== 0 && "needs root";

/** A checkout below a directory that only its owner may enter, as /root is. */
function closedCheckout(context: TestContext): string {
  const home = fs.mkdtempSync("/var/tmp/kenro home ");
  context.after(() => fs.rmSync(home, { recursive: true, force: true }));
  const checkout = path.join(home, "checkout");
  fs.mkdirSync(checkout);
  for (const each of ["bin", "src", "package.json"])
    fs.cpSync(path.join(root, each), path.join(checkout, each), { recursive: true });
  // hard links where the file system lets us: node alone has 150 MB
  for (const how of ["-al", "-a"])
    if (spawnSync("cp", [how, path.join(root, "node_modules"), checkout]).status === 0) return checkout;
  throw new Error("cannot copy node_modules");
}

const letter =
  "EHLO c.test\r\nMAIL FROM:<x@far.test>\r\nRCPT TO:<ann@a.test>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n";

test("as root it runs in a directory that is closed to others, and from a checkout there", {
  skip: notRoot,
}, async (context) => {
  const checkout = closedCheckout(context);
  const world = await World.start(context, undefined, {
    executable: path.join(checkout, "bin/kenro"),
    dir: path.join(checkout, "data"),
  });
  assert.match(await converse(world.port(25), letter), /250 2\.0\.0 Queued/);
  await eventually(() => world.delivered("ann").length === 1);
  // the roles are still other users, who see of the closed directory what is theirs
  const local = world.pid("local");
  assert.notEqual(fs.statSync(`/proc/${local}`).uid, 0);
  const seen = spawnSync("ls", ["-A", `/proc/${local}/root${path.dirname(checkout)}/checkout`]);
  assert.deepEqual(seen.stdout.toString().split("\n").filter(Boolean), ["data", "node_modules"]);
});

test("the roles run stripped code of the supervisor's version, and another start takes the new one", async (context) => {
  const world = await World.start(context);
  const trees = path.join(world.dir, "run/code");
  const [tree, ...others] = fs.readdirSync(trees);
  assert.ok(tree !== undefined && others.length === 0);
  assert.ok(fs.existsSync(path.join(trees, tree, "src/roles/boot.js")));
  await world.stop();
  // as if another version had been here before
  fs.renameSync(path.join(trees, tree), path.join(trees, "0123456789abcdef"));
  await world.up();
  assert.deepEqual(fs.readdirSync(trees), [tree]);
});

test("code that a power cut has torn is made anew", async (context) => {
  const world = await World.start(context);
  const trees = path.join(world.dir, "run/code");
  const tear = [
    (tree: string) => fs.truncateSync(path.join(tree, "package.json")),
    (tree: string) => fs.truncateSync(path.join(tree, "src/roles/boot.js"), 100),
    (tree: string) => fs.rmSync(path.join(tree, "src/roles/queue/main.js")),
    (tree: string) => fs.rmSync(path.join(tree, "digest")),
  ];
  for (const each of tear) {
    await world.stop();
    const [tree = ""] = fs.readdirSync(trees);
    each(path.join(trees, tree));
    await world.up();
    assert.match(await converse(world.port(25), "QUIT\r\n"), /^220 /);
  }
});

test("the idle server takes less than 200 MB", async (context) => {
  const world = await World.start(context);
  // every process has given back what loading took
  const footprint = () => {
    const ran = spawnSync(process.execPath, [path.join(root, "bench/footprint.ts"), world.dir], {
      encoding: "utf8",
    });
    return { text: ran.stdout + ran.stderr, sum: Number(/^sum +([\d.]+) MB PSS$/m.exec(ran.stdout)?.[1]) };
  };
  await eventually(() => footprint().sum < 200, 20_000).catch(() => {
    // told below, with the figures
  });
  const { text, sum } = footprint();
  context.diagnostic(text);
  assert.ok(sum > 50 && sum < 200 && world.pid("tlspolicy") > 0, text);
});

test("a fresh server starts without a word of trouble", async (context) => {
  const world = await World.start(context);
  assert.doesNotMatch(world.said, /does not start/);
});

test("who does not ask for other domains' policies has no role for them", async (context) => {
  const off = (toml: string) => toml.replace(/^mta_sts = .*$/m, 'mta_sts = "off"');
  const world = await World.start(context, off);
  assert.equal(world.pid("tlspolicy"), 0);
  const config = path.join(world.dir, "kenro.toml");
  fs.writeFileSync(config, fs.readFileSync(config, "utf8").replace('mta_sts = "off"', 'mta_sts = "on"'));
  world.kenro(["reload"]);
  assert.ok(world.pid("tlspolicy") > 0);
});
