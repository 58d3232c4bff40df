// Users of the machine: their mail delivered with their rights, their programs in bounds, nobody harmed by another (docs/dotqmail.md).

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { asRoot, SystemWorld } from "../support/systemusers.ts";
import { converse, eventually } from "../support/world.ts";

/** Only root may become others. */
function rootOnly(context: TestContext): boolean {
  if (!asRoot) context.skip("run this as root");
  return asRoot;
}

const owners = (at: string): readonly number[] => {
  const { uid, gid } = fs.statSync(at);
  return [uid, gid];
};

/** Processes of a user, but for zombies that nobody has buried. */
const processesOf = (uid: number): readonly string[] =>
  spawnSync("ps", ["-o", "stat=,args=", "-u", String(uid)], { encoding: "utf8" })
    .stdout.split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("Z"));

test("every kind of line, in order, each file its owner's; forwards go on as one letter", async (context) => {
  if (!rootOnly(context)) return;
  const site = await SystemWorld.start(context, ["joe", "bob"]);
  site.write(
    "joe",
    ".qmail",
    "# all of them\n./Mailbox\n|cat > copy; id -u; id -G; umask\n&ann@a.test\nbob@a.test\n",
  );
  site.send(["joe@sys.test", "bob@sys.test"], "Subject: x\n\nFrom me\nend");
  assert.equal(await site.outcome("bob@sys.test"), "delivered did 1+0+0");
  const uid = site.uid("joe");
  assert.equal(await site.outcome("joe@sys.test"), `forwarded ${uid}\n${uid}\n0077\ndid 1+2+1`);
  const box = site.read("joe", "Mailbox") ?? "";
  assert.match(
    box,
    /^From s@x\.test \w{3} \w{3} \d\d \d\d:\d\d:\d\d \d{4}\nReturn-Path: <s@x\.test>\nDelivered-To: joe@sys\.test\n/,
  );
  assert.match(box, /\n\n>From me\nend\n\n$/);
  assert.match(site.read("joe", "copy") ?? "", /\n\nFrom me\nend\n$/);
  for (const name of ["Mailbox", "copy"]) assert.deepEqual(owners(site.at("joe", name)), [uid, uid], name);
  const [inbox = ""] = site.maildir("bob");
  assert.deepEqual(owners(inbox), [site.uid("bob"), site.uid("bob")]);
  assert.match(fs.readFileSync(inbox, "utf8"), /^Return-Path: <s@x\.test>\nDelivered-To: bob@sys\.test\n/);
  for (const user of ["ann", "bob"]) {
    const [copy = ""] = await eventually(
      () => site.world.delivered(user).length > 0 && site.world.delivered(user),
    );
    assert.match(
      fs.readFileSync(copy, "utf8"),
      new RegExp(`Delivered-To: ${user}@a\\.test\nDelivered-To: joe@sys\\.test\n`),
    );
  }
});

test("RCPT knows who exists, without a look into homes by anybody but their owners", async (context) => {
  if (!rootOnly(context)) return;
  const site = await SystemWorld.start(context, ["joe", "alias"], {
    domains: '["sys.test", "shop.test:joe-shop"]',
  });
  site.write("joe", ".qmail-list", "./Mailbox\n");
  site.write("joe", ".qmail-shop-default", "./shop\n");
  site.write("alias", ".qmail-info", "&ann@a.test\n");
  const wanted: readonly (readonly [to: string, code: string])[] = [
    ["joe@sys.test", "250"],
    ["JOE@sys.test", "250"],
    ["joe-list@sys.test", "250"],
    ["joe-LIST@sys.test", "250"],
    ["joe-other@sys.test", "550"],
    ["info@sys.test", "250"],
    ["nobody@sys.test", "550"],
    ["root@sys.test", "550"],
    ["anything@shop.test", "250"],
    ["joe-..@sys.test", "550"],
    ["joe-../../etc/passwd@sys.test", "550"],
    [`joe-${"x".repeat(60)}@sys.test`, "550"],
    ["joe@elsewhere.test", "550"],
  ];
  const lines = wanted.map(([to]) => `RCPT TO:<${/\.\./.test(to) ? to.replace(/^(.*)@/, '"$1"@') : to}>`);
  const said = await converse(
    site.world.port(25),
    ["EHLO localhost", "MAIL FROM:<s@x.test>", ...lines, "QUIT", ""].join("\r\n"),
    20_000,
  );
  const codes = said
    .split("\r\n")
    .filter((line) => /^\d{3} /.test(line))
    .slice(3, -1);
  assert.deepEqual(
    codes.map((line, at) => `${wanted[at]?.[0]} ${line.slice(0, 3)}`),
    wanted.map(([to, code]) => `${to} ${code}`),
    said,
  );
  site.send("Anything.X@shop.test");
  assert.equal(await site.outcome("joe-shop-Anything.X@shop.test"), "delivered did 1+0+0");
  assert.match(site.read("joe", "shop") ?? "", /Delivered-To: joe-shop-Anything\.X@shop\.test/);
  site.write("joe", ".qmail-größe", "./utf8\n");
  site.send("joe-Größe@sys.test");
  assert.equal(await site.outcome("joe-Größe@sys.test"), "delivered did 1+0+0");
  assert.match(site.read("joe", "utf8") ?? "", /^Delivered-To: joe-Größe@sys\.test$/m);
  site.send("nobody@sys.test");
  assert.match(
    await site.outcome("nobody@sys.test"),
    /^failed Sorry, no mailbox here by that name\. \(#5\.1\.1\)$/,
  );
});

test("forwards that lead back end as a bounce to the sender, after one turn", async (context) => {
  if (!rootOnly(context)) return;
  const site = await SystemWorld.start(context, ["joe", "bob"]);
  site.write("joe", ".qmail", "&bob@sys.test\n./box\n");
  site.write("bob", ".qmail", "&joe@sys.test\n./box\n");
  site.send("joe@sys.test", "Subject: round\n\nx\n", "ann@a.test");
  assert.match(await site.outcome("joe@sys.test", 2), /^failed This message is looping/);
  const [bounce = ""] = await eventually(
    () => site.world.delivered("ann").length > 0 && site.world.delivered("ann"),
  );
  assert.match(
    fs.readFileSync(bounce, "utf8"),
    /This message is looping: it already has my Delivered-To line/,
  );
  for (const user of ["joe", "bob"])
    assert.equal((site.read(user, "box") ?? "").split("Subject: round").length, 2, user);
});

test("what harms is harmed alone: no look at others, bombs, floods, sleepers, deserters", async (context) => {
  if (!rootOnly(context)) return;
  const site = await SystemWorld.start(context, ["joe", "bob"], {
    time: '"4s"',
    processes: "40",
    idle: '"1s"',
  });
  const { world } = site;
  site.write("bob", "secret", "secret", 0o644);
  site.write("bob", ".qmail", "./Mailbox\n");
  const bob = async (count: number) => {
    site.send("bob@sys.test");
    assert.equal(await site.outcome("bob@sys.test", count), "delivered did 1+0+0");
  };
  let made = 0;
  const joe = async (line: string, text?: string) => {
    site.write("joe", ".qmail", line);
    site.send("joe@sys.test", text);
    return site.outcome("joe@sys.test", ++made);
  };
  const spool = path.join(world.dir, "spool");
  assert.equal(
    await joe(
      `|cat ${site.at("bob", "secret")} ${spool}/journal/* ${world.dir}/mail ${world.dir}/kenro.toml 2>/dev/null; ls ${spool} ${world.dir}/lines 2>/dev/null; echo end\n`,
    ),
    "delivered end\ndid 0+0+1",
  );
  assert.match(
    await joe(`../bob/box\n`),
    /^deferred Unable to open \.\.\/bob\/box: permission denied\. \(#4\.2\.1\)$/,
  );
  // a fork bomb, and one that leaves its process group
  const bomb = "f() { f | f & }; f; sleep 60";
  assert.match(await joe(`|${bomb}\n`), /^deferred The program did not end in time\. \(#4\.3\.0\)\n/);
  await bob(1);
  await joe(`|setsid sh -c '${bomb}' >/dev/null 2>&1 & exit 0\n`);
  await bob(2);
  await eventually(() => processesOf(site.uid("joe")).length === 0, 20_000);
  // output without end, and without reading the message
  assert.match(await joe("|yes\n"), /^deferred The program printed too much\. \(#4\.3\.0\)\ny\ny\n/);
  assert.match(
    await joe("|head -c 1000000000 /dev/zero | tr '\\0' x; exit 100\n"),
    /^deferred The program printed too much\. \(#4\.3\.0\)\nx+/,
  );
  await bob(3);
  // a large message that nobody reads, a program that never ends
  const large = `Subject: x\n\n${"line of text\n".repeat(300_000)}`;
  assert.equal(await joe("|exit 0\n", large), "delivered did 0+0+1");
  assert.match(await joe("|sleep 1000\n"), /^deferred The program did not end in time/);
  assert.equal(await joe("|kill -9 $$\n"), "deferred Aack, child crashed. (#4.3.0)");
  // it kills its own worker
  assert.match(await joe("|kill -9 $PPID; sleep 5\n"), /^deferred|^delivered/);
  await bob(4);
  // memory, files
  assert.match(await joe("|python3 -c 'x = \"x\" * 2000000000' 2>/dev/null\n"), /^deferred/);
  assert.equal(world.status().filter(({ restarts }) => restarts > 0).length, 0);
  await eventually(() => processesOf(site.uid("joe")).length === 0, 20_000);
});
