// kenro import qmail: a made-up site moves in, twice, and nothing of it changes.

import assert from "node:assert/strict";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import test from "node:test";
import { QmailTree } from "../support/qmailtree.ts";
import { eventually, World } from "../support/world.ts";

const site = {
  "control/me": "mail.a.test\n",
  "control/locals": "# ours\na.test\nmail.a.test\nb.test\n",
  "control/rcpthosts": "a.test\nb.test\nv.test\nbackup.test\n.wide.test\n",
  "control/virtualdomains": "v.test:alias-v\nw.test:joe-foo\nbob@x.test:alias-x\n.z.test:joe\nn.test:\n",
  "control/percenthack": "a.test\n",
  "control/envnoathost": "a.test\n",
  "control/databytes": "5000000\n",
  "control/concurrencyremote": "40\n",
  "control/concurrencylocal": "0\n",
  "control/queuelifetime": "172800\n",
  "control/defaultdomain": "test\n",
  "control/timeoutsmtpd": "30\n",
  "control/bouncefrom": "DAEMON\n",
  "control/badmailfrom": "# bad\nspam@bad.test\n@worse.test\nnonsense\n",
  "control/smtproutes": ".af.test:\naf.test:heaven.test:2525\nx.af.test:[192.0.2.1]\n",
  "control/strange": "1\n",
  "control/tcp.smtp": '10.:allow,RELAYCLIENT=""\n:allow\n',
  "users/assign": "+joe-:joe:500:500:/home/joe:-::\n.\n",
  "alias/.qmail-postmaster": "ann\n",
  "alias/.qmail-sales": "# two\n&ann@a.test\nout@far.test\n",
  "alias/.qmail-prog": "|/bin/true\n",
  "alias/.qmail-box": "./Mailbox\n",
  "alias/.qmail-a:b": "bob@a.test\n",
  "alias/.qmail-ann": "elsewhere@far.test\n",
  "alias/.qmail-alias-v-info": "ann@a.test\n",
  "alias/.qmail-alias-v-default": "bob@a.test\n",
  "alias/.qmail-alias-x-bob": "bob@a.test\n",
};

type Findings = readonly {
  readonly source: string;
  readonly line?: number;
  readonly outcome: string;
  readonly text: string;
}[];

const run = (world: World, tree: QmailTree, ...words: readonly string[]): Findings =>
  JSON.parse(world.kenro(["import", "qmail", tree.directory, "--json", ...words])) as Findings;

/** `outcome source text` of each, without those that need not be told. */
const told = (findings: Findings): readonly string[] =>
  findings.map(
    ({ outcome, source, line, text }) =>
      `${outcome} ${source}${line === undefined ? "" : `:${line}`} ${text}`,
  );

const has = (findings: Findings, pattern: RegExp): void =>
  assert.ok(
    told(findings).some((each) => pattern.test(each)),
    `${pattern} in\n${told(findings).join("\n")}`,
  );

test("a qmail site moves in: settings, domains, aliases, routes, rules, and what cannot move is named", async (context) => {
  const world = await World.start(context);
  const tree = new QmailTree(context, site);
  const before = tree.picture();
  const toml = () => fs.readFileSync(path.join(world.dir, "kenro.toml"), "utf8");
  const unchanged = toml();
  const dry = run(world, tree, "--dry-run");
  assert.equal(toml(), unchanged);
  const first = run(world, tree);
  const withoutQueue = (findings: Findings) => told(findings.filter(({ source }) => source !== "queue"));
  assert.deepEqual(withoutQueue(first), withoutQueue(dry));
  for (const wanted of [
    /^same control\/me /,
    /^same control\/locals:2 a\.test/,
    /^change control\/locals:3 mail\.a\.test becomes/,
    /^change control\/rcpthosts:4 qmail\.rcpthosts gets "backup\.test"/,
    /^change control\/rcpthosts:5 .*"\.wide\.test"/,
    /^change control\/percenthack:1 /,
    /^change control\/envnoathost qmail\.envnoathost = a\.test/,
    /^change control\/databytes smtp\.max_size/,
    /^change control\/concurrencyremote queue\.remote_concurrency = 40/,
    /^change control\/concurrencylocal queue\.local_concurrency = 0/,
    /^change control\/queuelifetime queue\.lifetime/,
    /^not control\/timeoutsmtpd smtp\.command_timeout = 30s: expected at least 5m/,
    /^note control\/bouncefrom /,
    /^not control\/strange /,
    /^change control\/badmailfrom:2 /,
    /^change control\/badmailfrom:3 /,
    /^not control\/badmailfrom:4 /,
    /^change control\/smtproutes:1 mail for \.af\.test goes to its exchangers/,
    /^change control\/smtproutes:2 mail for af\.test goes to heaven\.test:2525/,
    /^change control\/tcp\.smtp becomes rules\/smtp\.rules/,
    /^change control\/virtualdomains:1 v\.test becomes a domain of ours/,
    /^change control\/virtualdomains:2 system_users\.domains gets "w\.test:joe-foo"/,
    /^change control\/locals system_users\.domains gets "b\.test"/,
    /^not control\/virtualdomains:3 bob@x\.test is to be ours, and all else of x\.test is not/,
    /^not control\/virtualdomains:4 /,
    /^note control\/virtualdomains:5 n\.test is no virtual domain/,
    /^change users\/assign system_users\.assign = /,
    /^change alias\/\.qmail-sales sales@a\.test goes to ann@a\.test, out@far\.test/,
    /^change alias\/\.qmail-a:b a\.b@b\.test goes to bob@a\.test/,
    /^not alias\/\.qmail-prog:1 runs a program: \|\/bin\/true/,
    /^not alias\/\.qmail-box:1 delivers to a file/,
    /^left alias\/\.qmail-ann ann@a\.test is an account/,
    /^change alias\/\.qmail-alias-v-info info@v\.test goes to ann@a\.test/,
    /^change alias\/\.qmail-alias-v-default the catch-all of v\.test is bob@a\.test/,
  ])
    has(first, wanted);
  assert.match(toml(), /^max_size = "5000000"$/m);
  assert.match(toml(), /^rcpthosts = \["backup\.test", "\.wide\.test"\]$/m);
  assert.match(toml(), /\[\[route\]\]\nrecipients = \["x\.af\.test"\]\nhost = "\[192\.0\.2\.1\]"/);
  assert.equal(fs.readFileSync(path.join(world.dir, "rules/smtp.rules"), "utf8"), site["control/tcp.smtp"]);
  const again = run(world, tree);
  assert.deepEqual(
    told(again).filter((each) => each.startsWith("change")),
    [],
  );
  assert.deepEqual(tree.picture(), before);
  // and it is so
  world.kenro(["reload"]);
  const answers = await talk(world.base + 25, [
    "HELO c.test",
    "MAIL FROM:<x@far.test>",
    "RCPT TO:<sales@b.test>",
    "RCPT TO:<info@v.test>",
    "RCPT TO:<whoever@v.test>",
    "RCPT TO:<x@backup.test>",
    "RCPT TO:<x@deep.wide.test>",
    "RCPT TO:<ann%a.test@a.test>",
    "RCPT TO:<x@w.test>",
    "RCPT TO:<prog@a.test>",
  ]);
  assert.deepEqual(answers.slice(2), ["250", "250", "250", "250", "250", "250", "550", "550"]);
});

/** The code of each answer, one command at a time. */
async function talk(port: number, commands: readonly string[]): Promise<readonly string[]> {
  const socket = net.connect(port, "127.0.0.1");
  const lines = socket[Symbol.asyncIterator]();
  const answer = async () => String((await lines.next()).value).slice(0, 3);
  await answer();
  const codes: string[] = [];
  for (const command of commands) {
    socket.write(`${command}\r\n`);
    codes.push(await answer());
  }
  socket.destroy();
  return codes;
}

const mailOf = (world: World, user: string): readonly string[] => {
  const at = path.join(world.dir, `mail/a.test/${user}/Maildir/new`);
  return fs.existsSync(at)
    ? fs.readdirSync(at).map((name) => fs.readFileSync(path.join(at, name), "utf8"))
    : [];
};

test("qmail's queue moves in, each message once, and stays as it was", async (context) => {
  const world = await World.start(context);
  const tree = new QmailTree(context, {
    "control/me": "mail.a.test\n",
    "control/locals": "a.test\n",
    "control/virtualdomains": "a.test.test:x\nv.test:joe-foo\n",
    "control/envnoathost": "a.test\n",
  });
  tree.letter({
    text: "Subject: one\n\nhello\n",
    sender: "x@far.test",
    local: ["Tann@a.test", "Dbob@a.test"],
  });
  tree.letter({ text: "Subject: two\n\n.\nb\xe4r", sender: "", todo: ["Tann", "Tbob@a.test"] });
  const virtual = tree.letter({
    text: "Subject: v\n\n",
    sender: "x@far.test",
    local: ["Tjoe-foo-info@v.test"],
  });
  tree.letter({ text: "Subject: done\n\n", sender: "x@far.test", local: ["Dann@a.test"] });
  tree.letter({
    text: "Subject: failed\n\n",
    sender: "x@far.test",
    remote: ["Dq@far.test"],
    bounce: "<q@far.test>:\nno\n\n",
  });
  tree.letter({ text: "Subject: unfinished\n\n", sender: "", unfinished: true });
  tree.letter({ text: "Subject: cut\n\n", sender: "x\0y", local: ["Tann@a.test"] });
  const before = tree.picture();
  has(run(world, tree), /^not queue this server runs: stop it/);
  await world.stop();
  const dry = run(world, tree, "--dry-run");
  assert.equal(
    dry.filter(({ source, outcome }) => source.startsWith("queue") && outcome === "change").length,
    4,
  );
  assert.deepEqual(fs.readdirSync(path.join(world.dir, "drop/new")), []);
  const first = run(world, tree);
  has(first, /^change queue\/mess\/\d+\/\d+ from <x@far\.test> for 1 recipient, 20 bytes/);
  has(first, /^change queue\/mess\/\d+\/\d+ from <> for 2 recipients/);
  has(first, /^note queue\/mess\/\d+\/\d+ is done$/);
  has(first, /^not queue\/mess\/\d+\/\d+ is done, but its sender was not told yet/);
  has(first, /^note queue\/mess\/\d+\/\d+ has no envelope/);
  has(first, new RegExp(`^change queue/mess/${Number(virtual) % 23}/${virtual} `));
  const again = run(world, tree);
  assert.equal(
    again.filter(({ outcome, source }) => outcome === "change" && source.startsWith("queue")).length,
    0,
  );
  assert.deepEqual(tree.picture(), before);
  assert.match(world.kenro(["queue", "list"]), /<info@v\.test>/);
  await world.up();
  const anns = await eventually(() => (mailOf(world, "ann").length >= 2 ? mailOf(world, "ann") : false));
  await eventually(() => mailOf(world, "bob").length >= 1);
  assert.match(
    anns.find((each) => each.includes("Subject: one")) ?? "",
    /^Return-Path: <x@far\.test>\n[\s\S]*\n\nhello\n$/,
  );
  const two = mailOf(world, "bob")[0] ?? "";
  assert.match(two, /^Return-Path: <>\n[\s\S]*Subject: two\n\n\.\n/);
  await world.stop();
  // taken, and gone from the drop directory: still once
  assert.equal(
    run(world, tree).filter(({ outcome, source }) => outcome === "change" && source.startsWith("queue"))
      .length,
    0,
  );
  await world.up();
  assert.deepEqual([mailOf(world, "bob").length, mailOf(world, "ann").length >= 2], [1, true]);
});
