// Programs of this machine send mail: sendmail and its names on the real server, while it runs and while it does not.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { need } from "../support/tools.ts";
import { eventually, World } from "../support/world.ts";

const program = path.resolve(import.meta.dirname, "../../bin/sendmail");
const root = process.getuid?.() === 0;

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs sendmail, under the name of a link if one is given. */
function sendmail(world: World, words: readonly string[], input: string, at = program): Ran {
  const env = { ...process.env, KENRO_DIR: world.dir };
  const ran = spawnSync(at, words, { input, encoding: "utf8", env });
  return { code: ran.status, out: ran.stdout, err: ran.stderr };
}

/** The messages in a mailbox of a.test. */
function mailOf(world: World, user: string): readonly string[] {
  const at = path.join(world.dir, `mail/a.test/${user}/Maildir/new`);
  return fs.existsSync(at)
    ? fs.readdirSync(at).map((name) => fs.readFileSync(path.join(at, name), "utf8"))
    : [];
}

const arrived = (world: World, user: string, count: number) =>
  eventually(() => (mailOf(world, user).length >= count ? mailOf(world, user) : false));

const dropped = (world: World) => fs.readdirSync(path.join(world.dir, "drop/new"));

/** A directory with links named as in /usr/sbin. */
function links(context: TestContext): string {
  const at = fs.mkdtempSync(path.join(tmpdir(), "kenro-names-"));
  context.after(() => fs.rmSync(at, { recursive: true, force: true }));
  for (const name of ["sendmail", "mailq", "newaliases"]) fs.symlinkSync(program, path.join(at, name));
  return at;
}

test("a message is there at once while the server runs, and once after the start when it did not", async (context) => {
  const world = await World.start(context);
  const began = Date.now();
  assert.deepEqual(sendmail(world, ["ann"], "Subject: one\n\nhello\n.\nnot this\n"), {
    code: 0,
    out: "",
    err: "",
  });
  const [one = ""] = await arrived(world, "ann", 1);
  assert.ok(Date.now() - began < 10_000);
  const uid = process.getuid?.();
  assert.match(one, new RegExp(`^Received: by mail\\.a\\.test \\(from userid ${uid}\\)$`, "m"));
  assert.match(one, /^Message-ID: <\w+@mail\.a\.test>$/m);
  assert.match(one, /\n\nhello\n$/);

  await world.stop();
  const header = "From: Ann <ann>\nTo: bob\nCc: ann@a.test\nBcc: bob@a.test\nSubject: two\n\n";
  assert.equal(sendmail(world, ["-ti", "-f", "ann@a.test"], `${header}.\nstill\n`).code, 0);
  assert.equal(sendmail(world, ["-f", "", "--", "bob@a.test"], "Subject: three\n\n").code, 0);
  assert.equal(dropped(world).length, 2);
  await world.up();
  const bobs = await arrived(world, "bob", 2);
  await arrived(world, "ann", 2);
  const two = bobs.find((each) => each.includes("Subject: two")) ?? "";
  assert.match(two, /^Return-Path: <ann@a\.test>$/m);
  assert.match(
    two,
    /^From: Ann <ann@a\.test>\nTo: bob@a\.test\nCc: ann@a\.test\nSubject: two\n\n\.\nstill\n$/m,
  );
  assert.doesNotMatch(two, /Bcc/);
  assert.match(bobs.find((each) => each.includes("Subject: three")) ?? "", /^Return-Path: <>$/m);
  assert.deepEqual(dropped(world), []);
  await world.stop();
  await world.up();
  assert.deepEqual([mailOf(world, "ann").length, mailOf(world, "bob").length], [2, 2]);
});

test("mailq shows what waits in the drop directory, under the id that it keeps", async (context) => {
  const world = await World.start(context);
  await world.stop();
  assert.equal(sendmail(world, ["-f", "ann@a.test", "ann@a.test"], "Subject: waits\n\n").code, 0);
  const listed = sendmail(world, ["-bp"], "");
  assert.equal(listed.code, 0);
  assert.match(
    listed.out,
    /^(drop-\w+-\w+) +\d+ .* ann@a\.test\n.*\(The queue has not taken it yet\)\n +ann@a\.test\n\n-- 1 Kbytes in 1 Request\.$/m,
  );
  const id = /^(drop-\S+)/m.exec(listed.out)?.[1] ?? "none";
  await world.up();
  const [mail = ""] = await arrived(world, "ann", 1);
  assert.ok(mail.includes(`id ${id};`), mail);
  await eventually(() => sendmail(world, ["-bp"], "").out === "Mail queue is empty\n");
});

test("kill -9 of the queue again and again while programs send: everything arrives once", async (context) => {
  const world = await World.start(context);
  const env = { ...process.env, KENRO_DIR: world.dir };
  const count = 40;
  let sent = 0;
  let killed = 0;
  const killing = (async () => {
    while (sent < count) {
      const pid = world.pid("queue");
      if (pid > 0) {
        process.kill(pid, "SIGKILL");
        killed++;
      }
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
  })();
  const next = Array.from({ length: count }, (_, at) => at).values();
  const work = async () => {
    for (const at of next) {
      const child = spawn(program, ["-i", "ann"], { env, stdio: ["pipe", "ignore", "inherit"] });
      child.stdin.end(`Subject: number ${at}\n\n${"x".repeat(at % 5 === 0 ? 200_000 : 10)}\n`);
      const code = await new Promise((resolve) => child.once("exit", resolve));
      assert.equal(code, 0);
      sent++;
    }
  };
  await Promise.all([work(), work(), killing]);
  const found = await eventually(
    () => (mailOf(world, "ann").length >= count ? mailOf(world, "ann") : false),
    60_000,
  );
  const numbers = found
    .map((each) => Number(/^Subject: number (\d+)$/m.exec(each)?.[1]))
    .sort((a, b) => a - b);
  assert.deepEqual(numbers, [...Array(count).keys()]);
  assert.ok(killed >= 3, `only ${killed} kills`);
  assert.deepEqual(dropped(world), []);
});

test("what cannot be sent ends with the code of sysexits.h and one sentence", async (context) => {
  const world = await World.start(context, (toml) => toml.replace(/^max_size = .*$/m, 'max_size = "64k"'));
  const rows: readonly (readonly [
    words: readonly string[],
    input: string,
    code: number,
    sentence: RegExp,
  ])[] = [
    [[], "x", 64, /No recipients/],
    [["-Z", "ann"], "x", 64, /Unknown option "-Z"/],
    [["-bd"], "", 64, /kenro start/],
    [["ann bob"], "x", 67, /Cannot send to "ann bob"/],
    [["a@b@c"], "x", 67, /is no address/],
    [["-f", "a b", "ann"], "x", 65, /sender "a b"/],
    [["-t"], "To: a b\n\n", 65, /Cannot read To/],
    [["-t"], "Subject: x\n\n", 64, /No recipients/],
    [["ann"], "x".repeat(70_000), 69, /too large/],
    [["ann"], "Received: x\n".repeat(101), 69, /circle/],
  ];
  for (const [words, input, code, sentence] of rows) {
    const ran = sendmail(world, words, input);
    assert.equal(ran.code, code, `${words.join(" ")}: ${ran.err}`);
    assert.match(ran.err, sentence);
    assert.match(ran.err, /^sendmail: [^\n]+\n$/);
  }
  const env = { ...process.env, KENRO_DIR: "/nowhere" };
  assert.equal(spawnSync(program, ["ann"], { input: "x", env }).status, 78);
  assert.deepEqual(dropped(world), []);
});

test("links named mailq and newaliases, -bp and -bs", async (context) => {
  const world = await World.start(context, (toml) =>
    toml.replace(/^smarthost = .*$/m, 'smarthost = "127.0.0.1:1"'),
  );
  const at = links(context);
  assert.match(sendmail(world, [], "", path.join(at, "mailq")).out, /Mail queue is empty/);
  assert.equal(sendmail(world, ["-f", "ann", "far@b.test"], "x", path.join(at, "sendmail")).code, 0);
  const listed = await eventually(() => {
    const ran = sendmail(world, ["-bp"], "");
    return ran.out.includes("far@b.test") ? ran.out : false;
  });
  assert.match(listed, /^drop-[\w-]+.* ann@a\.test$/m);
  assert.equal(world.kenro(["mailq"]), sendmail(world, ["-bp"], "").out);
  assert.equal(sendmail(world, [], "", path.join(at, "newaliases")).code, 0);
  assert.equal(sendmail(world, ["-q"], "").code, 0);

  const said = [
    "EHLO me",
    "MAIL FROM:<ann> BODY=8BITMIME SIZE=100",
    "RCPT TO:<bob>",
    "RCPT TO:<nobody",
    "DATA",
  ];
  const more = ["Subject: by SMTP", "", "..dot", ".", "MAIL FROM:<>", "RSET", "RCPT TO:<bob>", "FOO", "QUIT"];
  for (const end of ["\r\n", "\n"]) {
    const ran = sendmail(world, ["-bs"], [...said, ...more, ""].join(end));
    assert.equal(ran.code, 0, ran.err);
    const codes = ran.out
      .split("\r\n")
      .filter((line) => /^\d{3}(?: |$)/.test(line))
      .map((line) => line.slice(0, 3));
    assert.deepEqual(codes, "220 250 250 250 501 354 250 250 250 503 500 221".split(" "));
  }
  const [message = ""] = await arrived(world, "bob", 2);
  assert.match(message, /^Return-Path: <ann@a\.test>$/m);
  assert.match(message, /Subject: by SMTP\n\n\.dot\n$/);
});

test("RFC 3461: -N never keeps a bounce away, and without it there is one", async (context) => {
  const world = await World.start(context);
  assert.equal(sendmail(world, ["-f", "ann", "-N", "never", "nobody"], "Subject: quiet\n\n").code, 0);
  assert.equal(sendmail(world, ["-f", "ann", "-V", "id7", "nobody"], "Subject: loud\n\n").code, 0);
  const [bounce = "", ...others] = await arrived(world, "ann", 1);
  assert.match(bounce, /Original-Envelope-Id: id7/);
  assert.equal(others.length, 0);
});

test("a full disk: 75, nothing of the message stays, and what is there arrives", async (context) => {
  if (!root) return context.skip("needs root, for a small file system");
  const world = await World.start(context);
  await world.stop();
  const at = path.join(world.dir, "drop/new");
  const { uid, gid } = fs.statSync(at);
  const options = `size=256k,mode=3777,uid=${uid},gid=${gid}`;
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", options, "kenro-test", at], { encoding: "utf8" });
  if (mounted.status !== 0) return context.skip(`cannot mount: ${mounted.stderr}`);
  try {
    assert.equal(sendmail(world, ["ann"], "Subject: small\n\n").code, 0);
    const ran = sendmail(world, ["ann"], `Subject: large\n\n${"x\n".repeat(300_000)}`);
    assert.equal(ran.code, 75);
    assert.match(
      ran.err,
      /^sendmail: No room for the message in [^\n]*: it was not taken; try again later\n$/,
    );
    assert.equal(dropped(world).length, 1);
    await world.up();
    await arrived(world, "ann", 1);
    await world.stop();
  } finally {
    spawnSync("umount", [at]);
  }
});

test("any user may send, is named as who he is, and can neither read nor remove the mail of others", async (context) => {
  if (!root) return context.skip("needs root, to be somebody else");
  const world = await World.start(context);
  const as = (uid: number, words: readonly string[], input = "") =>
    spawnSync("setpriv", [`--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", ...words], {
      input,
      encoding: "utf8",
      cwd: "/",
      env: { ...process.env, KENRO_DIR: world.dir, USER: "root", LOGNAME: "root" },
    });
  const reachable = as(54_321, [program, "-bi"]);
  if (reachable.status !== 0)
    return context.skip(`other users cannot run this checkout: ${reachable.stderr}`);
  await world.stop();
  const ran = as(54_321, [program, "ann"], "Subject: secret\n\n");
  assert.equal(ran.status, 0, ran.stderr);
  const [name = ""] = dropped(world);
  const file = path.join(world.dir, "drop/new", name);
  assert.equal(fs.statSync(file).uid, 54_321);
  for (const words of [
    ["cat", file],
    ["rm", "-f", file],
    ["mv", file, `${file}x`],
    ["ls", path.join(world.dir, "drop/aside")],
  ])
    assert.notEqual(as(54_322, words).status, 0, words.join(" "));
  await world.up();
  const [message = ""] = await arrived(world, "ann", 1);
  assert.match(message, /\(from userid 54321\)/);
  assert.match(message, /^Return-Path: <uid54321@a\.test>$/m);
  assert.match(world.kenro(["log"]), /queue_dropped id=drop-[\w-]+ uid=54321/);
  assert.equal(as(54_321, [program, "-bp"]).status, 77);
});

/** Whom git believes that we are. */
const identity = {
  GIT_COMMITTER_NAME: "Bob",
  GIT_COMMITTER_EMAIL: "bob@a.test",
  GIT_AUTHOR_NAME: "Bob",
  GIT_AUTHOR_EMAIL: "bob@a.test",
};

/** Programs of Debian that send by sendmail. */
const clients: readonly {
  readonly tool: string;
  /** Files beside it. */
  readonly needs?: readonly string[];
  /** A module of Perl that it uses. */
  readonly module?: string;
  readonly send: (at: string, dir: string) => { readonly words: readonly string[]; readonly input?: string };
}[] = [
  {
    tool: "s-nail",
    send: (at) => ({
      words: ["s-nail", "-n", "-S", `mta=${at}`, "-s", "from a client", "-r", "bob@a.test", "ann@a.test"],
      input: "grüße\n",
    }),
  },
  {
    tool: "mutt",
    send: (at) => ({
      words: [
        "mutt",
        "-n",
        "-F",
        "/dev/null",
        "-e",
        `set sendmail="${at} -oem -oi"`,
        "-e",
        "set from=bob@a.test use_envelope_from=yes copy=no send_charset=utf-8",
        "-s",
        "from a client",
        "ann@a.test",
      ],
      input: "grüße\n",
    }),
  },
  {
    tool: "php",
    send: (at) => ({
      words: [
        "php",
        "-d",
        `sendmail_path=${at} -t -i`,
        "-r",
        'exit(mail("ann@a.test", "from a client", "grüße\n", "From: bob@a.test", "-fbob@a.test") ? 0 : 1);',
      ],
    }),
  },
  {
    tool: "git",
    needs: ["/usr/lib/git-core/git-send-email"],
    module: "Mail::Address",
    send: (at, dir) => {
      const patch = path.join(dir, "patch.eml");
      fs.writeFileSync(
        patch,
        "From: bob@a.test\nSubject: from a client\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\ngrüße\n",
      );
      return {
        words: [
          "git",
          "send-email",
          "--quiet",
          "--confirm=never",
          "--suppress-cc=all",
          "--from=bob@a.test",
          "--envelope-sender=bob@a.test",
          "--to=ann@a.test",
          `--sendmail-cmd=${at}`,
          patch,
        ],
      };
    },
  },
];

for (const { tool, needs = [], module, send } of clients) {
  test(`${tool} sends by sendmail`, async (context) => {
    if (!need(context, tool, ...needs)) return;
    if (module && spawnSync("perl", [`-M${module}`, "-e1"]).status !== 0) {
      assert.notEqual(process.env["CI"], "true", `CI lacks ${module}`);
      return context.skip(`install ${module} to run this`);
    }
    const world = await World.start(context);
    const home = links(context);
    const { words, input = "" } = send(path.join(home, "sendmail"), home);
    const [command = "", ...rest] = words;
    const env = { ...process.env, KENRO_DIR: world.dir, HOME: home, LC_ALL: "C.UTF-8", ...identity };
    const ran = spawnSync(command, rest, { input, encoding: "utf8", env, cwd: home });
    assert.equal(ran.status, 0, `${ran.stdout}${ran.stderr}`);
    const [message = ""] = await arrived(world, "ann", 1);
    assert.match(message, /^Return-Path: <bob@a\.test>$/m);
    assert.match(message, /^Subject: from a client$/m);
    assert.match(message, /gr(?:üß|=C3=BC=C3=9F)e/);
  });
}

test("mail as Debian's cron sends it arrives", async (context) => {
  const world = await World.start(context);
  const header =
    "From: root (Cron Daemon)\nTo: ann\nSubject: Cron <ann@host> x\nMIME-Version: 1.0\nX-Cron-Env: <SHELL=/bin/sh>\n\n";
  const words = ["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "ann"];
  assert.equal(sendmail(world, words, `${header}out\0put\n.\n`).code, 0);
  const [message = ""] = await arrived(world, "ann", 1);
  assert.match(message, /^From: root@a\.test \(Cron Daemon\)\nTo: ann@a\.test\n/m);
  assert.match(message, /\n\noutput\n\.\n$/);
});
