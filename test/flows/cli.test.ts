// The command line as people and programs call it: bin/kenro as a child process, its output and its exit codes.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { systemClock } from "#base/clock.ts";
import { Caller } from "#talk/caller.ts";
import { reload } from "#talk/control.ts";
import { sessionRecord } from "#test/support/sessionrecord.ts";
import { formatTai64n } from "#wire/tai64.ts";

const root = path.resolve(import.meta.dirname, "../..");
const executable = path.join(root, "bin/kenro");

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Where {
  readonly cwd?: string;
  readonly input?: string;
  readonly program?: string;
  readonly env?: Readonly<Record<string, string>>;
}

function kenro(args: readonly string[], where: Where = {}): Ran {
  const { cwd = root, input = "", program = executable, env = {} } = where;
  const inherited = { ...process.env };
  delete inherited["KENRO_DIR"];
  const ran = spawnSync(program, args, {
    cwd,
    input,
    encoding: "utf8",
    env: { ...inherited, ...env },
    timeout: 60_000,
  });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}

function place(context: TestContext): string {
  const directory = fs.mkdtempSync(path.join(tmpdir(), "kenro-flow-"));
  // started as root, the roles are other users, who have to pass
  fs.chmodSync(directory, 0o755);
  context.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** High ports that another file of the suite does not use either. */
const portBase = 38_000 + (process.pid % 500) * 10;

function made(context: TestContext): string {
  const directory = path.join(place(context), "data");
  const init = [
    "init",
    "--dir",
    directory,
    "--hostname",
    "mail.example.test",
    "--domain",
    "example.test",
    "--yes",
  ];
  const { code, err } = kenro([...init, "--port-base", String(portBase)]);
  assert.equal(err, "");
  assert.equal(code, 0);
  return directory;
}

const oneSentence = (text: string) => assert.match(text, /^[A-Z"][^\n]{10,}\n$/);

test("init makes a data directory once and never replaces one", (context) => {
  const directory = made(context);
  const config = path.join(directory, "kenro.toml");
  assert.equal(fs.statSync(config).mode & 0o777, 0o600);
  const text = fs.readFileSync(config, "utf8");
  for (const [name, port] of [
    ["mx", 25],
    ["submission", 587],
    ["submissions", 465],
    ["pop3", 110],
    ["pop3s", 995],
    ["imap", 143],
    ["imaps", 993],
  ] as const)
    assert.ok(text.includes(`\n${name} = ["127.0.0.1:${portBase + port}"]\n`), name);
  const certificate = new X509Certificate(fs.readFileSync(path.join(directory, "tls/cert.pem")));
  assert.equal(certificate.checkHost("mail.example.test"), "mail.example.test");
  assert.equal(fs.statSync(path.join(directory, "tls/key.pem")).mode & 0o777, 0o600);
  for (const name of ["run", "spool", "mail", "accounts", "log"])
    assert.ok(fs.statSync(path.join(directory, name)).isDirectory(), name);
  const again = kenro([
    "init",
    "--dir",
    directory,
    "--hostname",
    "other.test",
    "--domain",
    "other.test",
    "--yes",
  ]);
  assert.equal(again.code, 1);
  oneSentence(again.err);
  assert.equal(fs.readFileSync(config, "utf8"), text);
});

test("domains and accounts are added, listed, changed and deleted without a running server", (context) => {
  const directory = made(context);
  const at = ["--dir", directory];
  const user = (...args: string[]) => kenro(["user", ...args, ...at], { input: "secret\n" });
  assert.deepEqual(user("add", "Ann@example.test", "--password-stdin").code, 0);
  const bob = user("add", "bob@example.test", "--json");
  assert.equal(bob.code, 0);
  assert.match((JSON.parse(bob.out) as { password: string }).password, /^[a-z2-9-]{19}$/);
  assert.match(
    user("add", "carl@example.test").out,
    /^Added carl@example\.test with the password [a-z2-9-]{19}\n$/,
  );
  assert.equal(user("list").out, "ann@example.test\nbob@example.test\ncarl@example.test\n");
  const listed = JSON.parse(user("list", "--json").out) as { address: string; maildir: string }[];
  assert.deepEqual(listed.map(({ address, maildir }) => [address, maildir])[0], [
    "ann@example.test",
    "mail/example.test/ann/Maildir",
  ]);
  assert.equal(user("passwd", "ann@example.test", "--password-stdin").code, 0);
  assert.equal(user("del", "carl@example.test").code, 0);
  assert.equal(kenro(["domain", "add", "Other.test", ...at]).code, 0);
  assert.equal(kenro(["domain", "list", ...at]).out, "example.test  2 accounts\nother.test  0 accounts\n");
  assert.equal(kenro(["domain", "del", "other.test", ...at]).code, 0);
});

test("what cannot be done is one sentence and the exit code of the contract", (context) => {
  const directory = made(context);
  const at = ["--dir", directory];
  const add = (input: string) =>
    kenro(["user", "add", "new@example.test", "--password-stdin", ...at], { input });
  kenro(["user", "add", "ann@example.test", ...at]);
  for (const [code, ran] of [
    [2, kenro([])],
    [2, kenro(["nonsense"])],
    [2, kenro(["user"])],
    [2, kenro(["user", "add", ...at])],
    [2, kenro(["user", "add", "not-an-address", ...at])],
    [2, kenro(["start", "extra", ...at])],
    [2, kenro(["status", "--nonsense", ...at])],
    [2, kenro(["init", "--dir", path.join(directory, "new")])],
    [2, kenro(["init", "--dir", path.join(directory, "new"), "--yes", "--hostname", "a_b"])],
    [2, kenro(["init", "--dir", path.join(directory, "new"), "--yes", "--port-base", "65000"])],
    [1, kenro(["user", "add", "ann@example.test", ...at])],
    [1, kenro(["user", "add", "ann@elsewhere.test", ...at])],
    [1, kenro(["user", "passwd", "nobody@example.test", ...at])],
    [1, kenro(["user", "del", "nobody@example.test", ...at])],
    [1, kenro(["domain", "add", "example.test", ...at])],
    [1, kenro(["domain", "del", "example.test", ...at])],
    [1, add("")],
    [1, add("\n")],
    [1, add("a\u0000b\n")],
    [1, add(`${"x".repeat(5000)}\n`)],
    [1, kenro(["status", ...at])],
    [1, kenro(["stop", ...at])],
    [1, kenro(["reload", ...at])],
    [1, kenro(["queue", "list", "--dir", path.join(directory, "missing")])],
    [111, kenro(["queue", "stats", ...at])],
    [111, kenro(["queue", "retry", ...at])],
    [1, kenro(["start", "--dir", path.join(directory, "missing")])],
    [1, kenro(["log", "--dir", path.join(directory, "missing")])],
  ] as const) {
    oneSentence(ran.err);
    assert.equal(ran.code, code, ran.err);
    assert.equal(ran.out, "");
  }
  const status = kenro(["status", "--json", ...at]);
  assert.deepEqual([status.code, JSON.parse(status.out)], [1, []]);
  assert.equal(kenro(["user", "list", ...at]).out, "ann@example.test\n");
  const list = kenro(["queue", "list", "--json", ...at]);
  assert.deepEqual([list.code, list.out, list.err], [0, "[]\n", ""]);
  assert.equal(kenro(["--help"]).code, 0);
  assert.match(kenro(["--version"]).out, /^\d+\.\d+\.\d+\n$/);
});

test("a bad kenro.toml is refused with every problem and its line", (context) => {
  const directory = made(context);
  const config = path.join(directory, "kenro.toml");
  fs.appendFileSync(config, "loud = true\n");
  fs.writeFileSync(config, fs.readFileSync(config, "utf8").replace('max_size = "50M"', 'max_size = "much"'));
  const ran = kenro(["start", "--dir", directory]);
  assert.equal(ran.code, 1);
  assert.equal(ran.out, "");
  assert.match(ran.err, /^Line \d+ of kenro\.toml: "smtp\.max_size": /m);
  assert.match(ran.err, /^Line \d+ of kenro\.toml: unknown setting "log\.loud"/m);
});

test("the executable works from any directory, through links, and finds its data by KENRO_DIR or ./kenro-data", (context) => {
  const directory = made(context);
  const elsewhere = place(context);
  fs.mkdirSync(path.join(elsewhere, "bin"));
  fs.symlinkSync(executable, path.join(elsewhere, "bin/first"));
  fs.symlinkSync("first", path.join(elsewhere, "bin/kenro"));
  fs.symlinkSync(directory, path.join(elsewhere, "kenro-data"));
  const list = ["domain", "list"];
  const program = path.join(elsewhere, "bin/kenro");
  for (const ran of [
    kenro([...list, "--dir", directory], { cwd: "/", program }),
    kenro(list, { cwd: "/", program, env: { KENRO_DIR: directory } }),
    kenro(list, { cwd: elsewhere, program: "bin/kenro" }),
    kenro([...list, "--dir", "kenro-data"], { cwd: elsewhere, env: { KENRO_DIR: "/nowhere" } }),
    kenro(list, {
      cwd: elsewhere,
      program: "kenro",
      env: { PATH: `${elsewhere}/bin:${process.env["PATH"]}` },
    }),
  ])
    assert.deepEqual(ran, { code: 0, out: "example.test  0 accounts\n", err: "" });
});

test("root does not work in a kenro-data that somebody else has put in its way", {
  skip: process.getuid?.() !== 0 && "needs root",
}, (context) => {
  const directory = made(context);
  const elsewhere = place(context);
  const planted = path.join(elsewhere, "kenro-data");
  fs.cpSync(directory, planted, { recursive: true, filter: (file) => !file.endsWith(".sock") });
  fs.chownSync(planted, 65_534, 65_534);
  const domains = () => kenro(["domain", "list"], { cwd: elsewhere });
  assert.ok(!domains().err.includes(planted) && domains().code !== 0, "its owner is another");
  fs.rmSync(planted, { recursive: true });
  fs.symlinkSync(directory, planted);
  assert.equal(domains().code, 0, "a link of root's own");
  fs.lchownSync(planted, 65_534, 65_534);
  assert.notEqual(domains().code, 0, "a link of another");
});

test("log shows all roles in one order, the last lines, and what belongs to an id", (context) => {
  const directory = made(context);
  const line = (ms: number, text: string) => `${formatTai64n(1_785_000_000_000 + ms)} ${text}\n`;
  for (const [role, lines] of [
    ["smtpd", [line(1, "smtpd smtp_connect session=s1"), line(3, "smtpd smtp_accept session=s1 id=m1")]],
    ["queue", [line(2, "queue ready"), line(4, "queue queue_new id=m1")]],
  ] as const) {
    fs.mkdirSync(path.join(directory, "log", role));
    fs.writeFileSync(path.join(directory, "log", role, "current"), lines.join(""));
  }
  const events = (...args: string[]) =>
    kenro(["log", "--dir", directory, ...args])
      .out.trimEnd()
      .split("\n")
      .map((each) => each.split(" ")[3]);
  assert.deepEqual(events(), ["smtp_connect", "ready", "smtp_accept", "queue_new"]);
  assert.deepEqual(events("-n", "2"), ["smtp_accept", "queue_new"]);
  assert.deepEqual(events("--id", "m1"), ["smtp_connect", "smtp_accept", "queue_new"]);
  const json = kenro(["log", "--dir", directory, "--json", "-n", "1"]).out;
  assert.deepEqual((JSON.parse(json) as { fields: unknown }).fields, { id: "m1" });
});

/** Fills the log: each reload leaves a line in the supervisor's. */
async function reloadOften(directory: string, times: number): Promise<void> {
  const caller = new Caller({
    path: path.join(directory, "run/supervisor/control.sock"),
    clock: systemClock,
  });
  for (let n = 0; n < times; n++) assert.deepEqual(await caller.ask(reload, {}), { problems: [] });
  caller.close();
  await new Promise((resolve) => setTimeout(resolve, 500));
}

test("start runs in the foreground, once; status, reload, user and stop reach it; stop waits until it is gone", async (context) => {
  const directory = made(context);
  const at = ["--dir", directory];
  // a relative --dir is as good as any
  const server = spawn(executable, ["start", "--dir", path.basename(directory)], {
    cwd: path.dirname(directory),
    stdio: ["ignore", "pipe", "pipe"],
  });
  context.after(() => void server.kill("SIGKILL"));
  let said = "";
  for (const stream of [server.stdout, server.stderr]) stream.on("data", (text) => (said += String(text)));
  const ended = new Promise<number | null>((resolve) => server.once("exit", resolve));
  interface Row {
    readonly role: string;
    readonly state: string;
    readonly pid: number;
  }
  let roles: readonly Row[] = [];
  const up = (role: string) =>
    roles.some((each) => each.role === role && each.state === "up" && each.pid > 0);
  for (let tries = 0; tries < 100 && !(up("logger") && up("auth")); tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    roles = JSON.parse(kenro(["status", "--json", ...at]).out) as readonly Row[];
  }
  assert.ok(up("logger") && up("auth"), `${said}\n${JSON.stringify(roles)}`);
  assert.match(kenro(["status", ...at]).out, /^ROLE +STATE +PID +SINCE +RESTARTS +USER\nlogger +up /);
  const second = kenro(["start", ...at]);
  assert.equal(second.code, 1);
  assert.match(second.err, /already runs/);
  assert.equal(kenro(["user", "add", "ann@example.test", ...at]).code, 0);
  const config = path.join(directory, "kenro.toml");
  const good = fs.readFileSync(config, "utf8");
  fs.writeFileSync(config, good.replace("files = 20", "files = 0"));
  const refused = kenro(["reload", ...at]);
  assert.equal(refused.code, 1);
  assert.match(
    refused.err,
    /^Line \d+ of kenro\.toml: "log\.files": .*\nThe running server keeps its old configuration\n$/,
  );
  fs.writeFileSync(config, good);
  fs.writeFileSync(config, good.replace('size = "16M"', 'size = "4k"'));
  // enough lines for a log of 4 KiB
  await reloadOften(directory, 200);
  const logs = fs.readdirSync(path.join(directory, "log/supervisor"));
  assert.ok(
    logs.some((name) => /^@[0-9a-f]{24}\.s$/.test(name)),
    `no log file was closed: ${logs.join(" ")}`,
  );
  const stopped = kenro(["stop", ...at]);
  assert.deepEqual(stopped, { code: 0, out: "", err: "" });
  assert.equal(await ended, 0);
  assert.match(kenro(["log", ...at]).out, / auth ready\n(?:.*\n)*.* logger stopping\n$/);
  assert.equal(kenro(["stop", ...at]).code, 1);
});

test("long output arrives whole, however late it is read", async (context) => {
  const directory = made(context);
  const sessions = path.join(directory, "ledger/sessions");
  fs.mkdirSync(sessions, { recursive: true });
  const lines = Array.from({ length: 3000 }, (_, n) => sessionRecord({ id: `s${n}` }));
  fs.writeFileSync(path.join(sessions, "2026-01-01.0001.jsonl"), `${lines.join("\n")}\n`);
  const command = ["policy", "sessions", "--json", "--last", "5000", "--dir", directory];
  const child = spawn(executable, command, { stdio: ["ignore", "pipe", "inherit"] });
  // the reader of a pipe may have other things to do first
  child.stdout.pause();
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const parts: Buffer[] = [];
  for await (const part of child.stdout) parts.push(part as Buffer);
  const listed = JSON.parse(Buffer.concat(parts).toString()) as readonly { readonly id: string }[];
  assert.deepEqual([listed.length, listed[0]?.id, listed.at(-1)?.id], [3000, "s0", "s2999"]);
});
