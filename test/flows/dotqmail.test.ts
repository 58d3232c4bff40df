// .qmail files on a real server: what is done once and what twice, bad files, the programs for them, and those of Debian.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { asRoot, SystemWorld } from "../support/systemusers.ts";
import { need } from "../support/tools.ts";
import { eventually, reasons } from "../support/world.ts";

function rootOnly(context: TestContext): boolean {
  if (!asRoot) context.skip("run this as root");
  return asRoot;
}

const count = (text: string | undefined, what: string): number => (text ?? "").split(what).length - 1;

const retry = (site: SystemWorld) => site.world.kenro(["queue", "retry"]);

test("lines that are done are not done again when a later one fails, or a process dies", async (context) => {
  if (!rootOnly(context)) return;
  const site = await SystemWorld.start(context, ["joe"], { idle: '"1s"' });
  const { world } = site;
  site.write(
    "joe",
    ".qmail",
    "./Mailbox\n|echo ran >> ran\n./Maildir/\n&ann@a.test\n./Mailbox\n|test -e go || exit 111\n|echo last >> last\n",
  );
  fs.mkdirSync(site.at("joe", "Maildir"), { mode: 0o700 });
  fs.chownSync(site.at("joe", "Maildir"), site.uid("joe"), site.uid("joe"));
  site.send("joe@sys.test");
  assert.match(await site.outcome("joe@sys.test"), /^deferred /);
  const done = () => [
    count(site.read("joe", "Mailbox"), "From s@x.test"),
    count(site.read("joe", "ran"), "ran"),
    site.maildir("joe").length,
    count(site.read("joe", "last"), "last"),
    world.delivered("ann").length,
  ];
  assert.deepEqual(done(), [2, 1, 1, 0, 0]);
  // the record outlives lspawn, and the queue that asks again
  process.kill(world.pid("lspawn"), "SIGKILL");
  process.kill(world.pid("queue"), "SIGKILL");
  await eventually(() => world.status().every(({ state }) => state === "up"));
  retry(site);
  assert.match(await site.outcome("joe@sys.test", 2), /^deferred /);
  assert.deepEqual(done(), [2, 1, 1, 0, 0]);
  site.write("joe", "go", "");
  retry(site);
  assert.equal(await site.outcome("joe@sys.test", 3), "forwarded did 3+1+3");
  await eventually(() => world.delivered("ann").length > 0);
  assert.deepEqual(done(), [2, 1, 1, 1, 1]);
  // a program that is under way when lspawn dies is run again, and what stands above it is not
  site.write(
    "joe",
    ".qmail",
    "./once\n|echo began >> began; test -e second || { touch second; sleep 60; }\n",
  );
  site.send("joe@sys.test");
  await site.wait("joe", "began");
  process.kill(world.pid("lspawn"), "SIGKILL");
  assert.match((await reasons(world, 1))["joe@sys.test"] ?? "", /cannot be made now/);
  retry(site);
  assert.equal(await site.outcome("joe@sys.test", 4), "delivered did 1+0+1");
  assert.equal(count(site.read("joe", "once"), "From s@x.test"), 1);
  assert.equal(count(site.read("joe", "began"), "began"), 2);
});

test("kill -9 of lspawn, local and the queue again and again: Maildirs and forwards once, the rest at least once", async (context) => {
  if (!rootOnly(context)) return;
  const site = await SystemWorld.start(context, ["joe", "bob", "eve"], { idle: '"1s"' });
  const { world } = site;
  const users = ["joe", "bob", "eve"];
  for (const user of users) {
    site.write(user, ".qmail", "./Mailbox\n./in/\n|grep ^Subject >> seen\n&ann@a.test\n./Mailbox\n");
    fs.mkdirSync(site.at(user, "in"), { mode: 0o700 });
    fs.chownSync(site.at(user, "in"), site.uid(user), site.uid(user));
  }
  const roles = ["lspawn", "local", "queue"];
  const rounds = 12;
  for (let round = 0; round < rounds; round++) {
    for (const user of users) site.send(`${user}@sys.test`, `Subject: ${user}-${round}\n\nx\n`);
    const role = roles[round % roles.length] ?? "";
    const pid = world.pid(role);
    if (pid > 0) process.kill(pid, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 100 + ((round * 37) % 200)));
  }
  const settled = () => {
    const up = world.status().every(({ state }) => state === "up");
    if (!up) return false;
    retry(site);
    return JSON.parse(world.kenro(["queue", "list", "--json"])).length === 0;
  };
  await eventually(settled, 120_000);
  const subjects = (files: readonly string[]) =>
    files.map((file) => /^Subject: (.*)$/m.exec(fs.readFileSync(file, "utf8"))?.[1] ?? "").sort();
  const sent = (user: string) => Array.from({ length: rounds }, (_, round) => `${user}-${round}`).sort();
  for (const user of users) {
    assert.deepEqual(subjects(site.maildir(user, "in")), sent(user), user);
    const [box, seen] = [site.read(user, "Mailbox"), site.read(user, "seen")];
    for (const subject of sent(user)) {
      assert.ok(count(box, `Subject: ${subject}\n`) >= 2, subject);
      assert.ok(count(seen, `Subject: ${subject}\n`) >= 1, subject);
    }
    const more = count(box, "From s@x.test") - 2 * rounds + count(seen, "\n") - rounds;
    context.diagnostic(`${user}: ${more} of ${3 * rounds} mbox and program lines were done again`);
    // no message is torn
    assert.equal(count(box, "\n\nFrom s@x.test "), count(box, "From s@x.test ") - 1);
  }
  assert.deepEqual(subjects(world.delivered("ann")), users.flatMap(sent).sort());
});

/** A home as it is wrong, and what is said of it. */
const wrong: readonly (readonly [what: string, make: (site: SystemWorld) => void, said: RegExp])[] = [
  [
    "home writable for all",
    (site) => fs.chmodSync(site.at("joe"), 0o707),
    /^deferred Uh-oh: home directory is writable\. \(#4\.7\.0\)$/,
  ],
  [
    "home sticky",
    (site) => fs.chmodSync(site.at("joe"), 0o1700),
    /^deferred Home directory is sticky: user is editing his \.qmail file\. \(#4\.2\.1\)$/,
  ],
  [
    "file writable for all",
    (site) => site.write("joe", ".qmail", "#\n", 0o602),
    /^deferred Uh-oh: \.qmail file is writable\. \(#4\.7\.0\)$/,
  ],
  [
    "file of another user",
    (site) => {
      fs.writeFileSync(site.at("joe", ".qmail"), "#\n", { mode: 0o600 });
    },
    /^deferred Unable to open \.qmail: permission denied\. \(#4\.3\.0\)$/,
  ],
  [
    "a directory in place of the file",
    (site) => fs.mkdirSync(site.at("joe", ".qmail")),
    /^delivered did 1\+0\+0$/,
  ],
  [
    "an execute bit",
    (site) => site.write("joe", ".qmail", "|true\n", 0o700),
    /^deferred Uh-oh: \.qmail has prog delivery but has x bit set\. \(#4\.7\.0\)$/,
  ],
  [
    "NUL",
    (site) => site.write("joe", ".qmail", "./a\0b\n"),
    /^deferred Uh-oh: \.qmail file has a NUL byte\. \(#4\.2\.1\)$/,
  ],
  [
    "a line of 1 MB",
    (site) => site.write("joe", ".qmail", `|${"x".repeat(1_000_000)}\n`),
    /^deferred Uh-oh: \.qmail file is too large\. \(#4\.3\.0\)$/,
  ],
  [
    "a program that is too long",
    (site) => site.write("joe", ".qmail", `|${"x".repeat(400_000)}\n`),
    /^deferred Unable to run \/bin\/sh: argument list too long\. \(#4\.3\.0\)/,
  ],
  [
    "a Maildir that is not there",
    (site) => site.write("joe", ".qmail", "./none/\n"),
    /^deferred Unable to chdir to maildir\. \(#4\.2\.1\)$/,
  ],
  [
    "a Maildir that may only be read",
    (site) => {
      fs.mkdirSync(site.at("joe", "ro/tmp"), { recursive: true });
      site.write("joe", ".qmail", "./ro/\n");
    },
    /^deferred Temporary error on maildir delivery: permission denied\. \(#4\.3\.0\)$/,
  ],
  [
    "an address with a tab",
    (site) => site.write("joe", ".qmail", "&a\tb@x.test\n"),
    /^deferred Unable to forward message: "a\\tb@x\.test" is no address\. \(#4\.1\.3\)$/,
  ],
  ["a loop", (site) => site.write("joe", ".qmail", "&joe@sys.test\n"), /^forwarded did 0\+1\+0$/],
  [
    "a home that is not there",
    (site) => fs.renameSync(site.at("joe"), site.at("gone")),
    /^failed Sorry, no mailbox here by that name\. \(#5\.1\.1\)$/,
  ],
];

test("files and homes that are wrong are told, and keep the mail", async (context) => {
  if (!rootOnly(context)) return;
  const site = await SystemWorld.start(context, ["joe"]);
  const saved = site.at("joe");
  let made = 0;
  for (const [what, make, said] of wrong) {
    fs.rmSync(saved, { recursive: true, force: true });
    fs.mkdirSync(saved, { mode: 0o700 });
    fs.chownSync(saved, site.uid("joe"), site.uid("joe"));
    fs.chmodSync(saved, 0o700);
    make(site);
    site.send("joe@sys.test");
    assert.match(await site.outcome("joe@sys.test", ++made), said, what);
    // what waits comes again in its own time; a loop ends in a second delivery, which fails
    if (what === "a loop")
      assert.match(
        await site.outcome("joe@sys.test", ++made),
        /^failed This message is looping: it already has my Delivered-To line\. \(#5\.4\.6\)$/,
      );
  }
});

test("bouncesaying, condredirect, except, forward, preline and qreceipt by their own names", async (context) => {
  if (!rootOnly(context)) return;
  const site = await SystemWorld.start(context, ["joe"]);
  const { world } = site;
  let made = 0;
  const outcome = async (file: string, text?: string) => {
    site.write("joe", ".qmail", file);
    site.send("joe@sys.test", text);
    return site.outcome("joe@sys.test", ++made);
  };
  assert.equal(await outcome("|bouncesaying 'No more' true\n"), "failed No more");
  assert.equal(
    await outcome("|bouncesaying 'No more' false\n|bouncesaying x not-there\n"),
    "delivered did 0+0+2",
  );
  assert.equal(
    await outcome("|bouncesaying x sh -c 'exit 111'\n"),
    "deferred bouncesaying: fatal: temporary child error",
  );
  assert.equal(
    await outcome("|bouncesaying x sh -c 'kill $$'\n"),
    "deferred bouncesaying: fatal: child crashed",
  );
  assert.match(await outcome("|bouncesaying\n"), /^failed bouncesaying: usage: /);
  assert.match(await outcome("|except true\n"), /^failed /);
  assert.equal(await outcome("|except false\n|except grep -q Subject.*none\n"), "delivered did 0+0+2");
  assert.equal(
    await outcome("|preline cat > a\n|preline -fr cat > b\n|preline -frdD cat > c\n"),
    "delivered did 0+0+3",
  );
  assert.match(
    site.read("joe", "a") ?? "",
    /^From s@x\.test .*\nReturn-Path: <s@x\.test>\nDelivered-To: joe@sys\.test\nReceived: /,
  );
  assert.match(site.read("joe", "b") ?? "", /^Delivered-To: joe@sys\.test\nReceived: /);
  assert.equal(site.read("joe", "b"), site.read("joe", "c"));
  assert.match(await outcome("|preline sh -c 'cat >/dev/null; exit 100'\n"), /^failed /);
  // the message is read from its start although grep has read it; lines below are left out
  assert.match(
    await outcome("|condredirect ann@a.test grep -q hello\n|echo no > no\n"),
    /^delivered condredirect: qp \d+\ndid 0\+0\+1$/,
  );
  assert.equal(await outcome("|condredirect ann@a.test grep -q other\n"), "delivered did 0+0+1");
  assert.match(await outcome("|forward bob@a.test\n"), /^delivered forward: qp \d+\ndid 0\+0\+1$/);
  for (const user of ["ann", "bob"]) {
    const [file = ""] = await eventually(() => world.delivered(user).length > 0 && world.delivered(user));
    const text = fs.readFileSync(file, "utf8");
    assert.match(text, /^Return-Path: <s@x\.test>\n/);
    assert.match(text, /^Delivered-To: joe@sys\.test\nReceived: /m);
    assert.match(text, /\n\nhello\n$/);
  }
  assert.equal(site.read("joe", "no"), undefined);
  // a list: reports go to its owner
  site.write("joe", ".qmail-owner", "#\n");
  assert.equal(await outcome("&bob@a.test\n"), "forwarded did 0+1+0");
  await eventually(() =>
    world
      .delivered("bob")
      .some((file) => /^Return-Path: <joe-owner@sys\.test>/.test(fs.readFileSync(file, "utf8"))),
  );
  site.write("joe", ".qmail-owner-default", "#\n");
  assert.equal(await outcome("|forward bob@a.test\n").then((text) => text.slice(0, 9)), "delivered");
  await eventually(() =>
    world
      .delivered("bob")
      .some((file) => /^Return-Path: <joe-owner-bob=a\.test@sys\.test>/.test(fs.readFileSync(file, "utf8"))),
  );
  const asks = "Notice-Requested-Upon-Delivery-To: joe@sys.test\nMessage-ID: <1@x>\nSubject: x\n\nhi\n";
  site.write("joe", ".qmail", "|qreceipt joe@sys.test\n|qreceipt other@sys.test\n");
  site.send("joe@sys.test", asks, "ann@a.test");
  assert.equal(await site.outcome("joe@sys.test", ++made), "delivered did 0+0+2");
  const notice = await eventually(() =>
    world
      .delivered("ann")
      .map((file) => fs.readFileSync(file, "utf8"))
      .find((text) => text.includes("success notice")),
  );
  assert.match(notice, /^Return-Path: <>\n/);
  assert.match(notice, /following address: joe@sys\.test\. Thanks for asking\.\nYour Message-ID: <1@x>\n/);
  assert.equal(world.delivered("ann").length, 2);
});

test("procmail and maildrop of Debian as programs; an mbox is shared with lockfile", async (context) => {
  if (!rootOnly(context) || !need(context, "procmail", "maildrop", "lockfile")) return;
  const site = await SystemWorld.start(context, ["joe"]);
  let made = 0;
  const outcome = async (file: string, text?: string) => {
    site.write("joe", ".qmail", file);
    site.send("joe@sys.test", text);
    return site.outcome("joe@sys.test", ++made);
  };
  const home = site.at("joe");
  site.write(
    "joe",
    "rc",
    `MAILDIR=${home}\nDEFAULT=${home}/pm-inbox\n:0:\n* ^Subject:.*list\npm-list\n\n:0\n* ^Subject:.*bounce\n{\n  EXITCODE=77\n  :0\n  /dev/null\n}\n`,
  );
  const rules = path.join(home, "rc");
  const procmail = `|preline procmail -p -m ${rules}\n`;
  // procmail complains of a user whom /etc/passwd does not know
  const delivered = /^delivered (?:procmail: Exceeded LINEBUF\n)*did 0\+0\+1$/;
  assert.match(await outcome(procmail, "Subject: my list\n\nFrom a\n"), delivered);
  assert.match(
    site.read("joe", "pm-list") ?? "",
    /^From s@x\.test .*\n[\s\S]*Delivered-To: joe@sys\.test\n[\s\S]*Subject: my list\n/,
  );
  assert.match(await outcome(procmail, "Subject: other\n\nx\n"), delivered);
  assert.match(await outcome(procmail, "Subject: bounce\n\nx\n"), /^failed /);
  assert.match(site.read("joe", "pm-inbox") ?? "", /Subject: other/);
  // maildrop works only for who is in /etc/passwd: users/assign lends it one of Debian's, who has no home of his own
  const games = spawnSync("id", ["-u", "games"], { encoding: "utf8" }).stdout.trim();
  const lent = path.join(site.homes, "lent");
  fs.mkdirSync(lent, { mode: 0o700 });
  fs.mkdirSync(path.join(site.world.dir, "users"), { mode: 0o755 });
  fs.writeFileSync(path.join(site.world.dir, "users/assign"), `=md:games:${games}:${games}:${lent}:::\n.\n`, {
    mode: 0o644,
  });
  const filter = path.join(lent, "filter");
  fs.writeFileSync(filter, 'if (/^Subject:.*junk/)\n{\n  to "./md-junk"\n}\nto "./md-inbox"\n', {
    mode: 0o600,
  });
  fs.writeFileSync(path.join(lent, ".qmail"), `|preline maildrop ${filter}\n`, { mode: 0o600 });
  for (const at of [lent, filter, path.join(lent, ".qmail")]) fs.chownSync(at, Number(games), Number(games));
  site.send("md@sys.test", "Subject: junk\n\nx\n");
  assert.equal(await site.outcome("md@sys.test"), "delivered did 0+0+1");
  assert.match(fs.readFileSync(path.join(lent, "md-junk"), "utf8"), /Subject: junk/);
  // whoever holds procmail's lock is waited for
  site.write("joe", "box.lock", "0");
  site.write("joe", ".qmail", "./box\n");
  site.send("joe@sys.test");
  await new Promise((resolve) => setTimeout(resolve, 2000));
  assert.equal(site.read("joe", "box"), undefined);
  fs.rmSync(site.at("joe", "box.lock"));
  assert.equal(await site.outcome("joe@sys.test", ++made), "delivered did 1+0+0");
  assert.equal(site.read("joe", "box.lock"), undefined);
});

test("instructions of accounts: mailbox and addresses always; programs when allowed, apart from everything", async (context) => {
  if (!rootOnly(context)) return;
  const site = await SystemWorld.start(context, [], {
    enabled: '"off"',
    allow_programs: '"on"',
    time: '"5s"',
  });
  const { world } = site;
  const told = (attempts: number) =>
    eventually(() => {
      const rows = JSON.parse(
        world
          .kenro(["log", "--json"])
          .replaceAll("\n", ",")
          .replace(/^(.*),$/, "[$1]"),
      ) as {
        readonly event: string;
        readonly fields: Readonly<Record<string, string>>;
      }[];
      const found = rows.filter(
        ({ event, fields }) => event === "queue_delivery" && fields["to"] === "ann@a.test",
      );
      const last = found[attempts - 1];
      return last && `${last.fields["outcome"]} ${last.fields["text"]}`;
    });
  let made = 0;
  const outcome = async (text: string) => {
    world.kenro(["user", "qmail", "ann@a.test", "--set", "-"], text);
    site.send("ann@a.test");
    return told(++made);
  };
  assert.equal(await outcome("./Maildir/\n&bob@a.test\n"), "handed did 1+1+0");
  await eventually(() => world.delivered("ann").length === 1 && world.delivered("bob").length === 1);
  const spy = [
    "id -u",
    "pwd",
    "ls -A",
    "grep -c hello",
    `cat ${world.dir}/kenro.toml /etc/shadow 2>/dev/null`,
    "cat /proc/net/dev | grep -vc lo:",
    "ls /proc | grep -c '^[0-9]'",
    "echo $USER $HOME $EXT",
    "exit 100",
  ].join("; ");
  const said = (await outcome(`|${spy}\n`)).split("\n");
  assert.match(said[0] ?? "", /^failed 581\d\d$/);
  assert.deepEqual(said.slice(1, 4), ["/tmp", "1", "2"]);
  assert.ok(Number(said[4]) < 6, said.join(" "));
  assert.equal(said[5], "ann@a.test /tmp");
  assert.match(await outcome("|f() { f | f & }; f; sleep 60\n"), /did not end in time|Cannot fork/);
  assert.match(await outcome("|sleep 100\n"), /did not end in time/);
  assert.equal(await outcome("|exit 99\n|exit 100\n"), "delivered did 0+0+1");
  assert.match(await outcome("./Mailbox\n"), /^deferred Accounts have no mbox files/);
  world.kenro(["user", "qmail", "ann@a.test", "--set", "-"], "|true\n./Maildir/\n");
  assert.equal(
    world.kenro(["deliver", "--dry-run", "ann@a.test"]),
    "program true\nmaildir ./Maildir/\ndid 1+0+1\n",
  );
  assert.match(
    world.kenro(["deliver", "--dry-run", "bob@a.test"]),
    /^maildir mail\/a\.test\/bob\/Maildir\/\ndid 1\+0\+0\n$/,
  );
});
