// Programs written for qmail send mail: qmail-inject on the real server.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { eventually, World } from "../support/world.ts";

const program = path.resolve(import.meta.dirname, "../../bin/sendmail");

interface Given {
  readonly words: readonly string[];
  readonly input: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** qmail-inject by the name of a link, for the server of a world. */
function injecting(context: TestContext, world: World) {
  const at = fs.mkdtempSync(path.join(tmpdir(), "kenro-inject-"));
  context.after(() => fs.rmSync(at, { recursive: true, force: true }));
  fs.symlinkSync(program, path.join(at, "qmail-inject"));
  return ({ words, input, environment = {} }: Given) => {
    const { PATH = "" } = process.env;
    const env = { PATH, KENRO_DIR: world.dir, QMAILUSER: "ann", ...environment };
    const ran = spawnSync(path.join(at, "qmail-inject"), words, { input, encoding: "utf8", env });
    return { code: ran.status, out: ran.stdout, err: ran.stderr };
  };
}

const mailOf = (world: World, user: string): readonly string[] => {
  const at = path.join(world.dir, `mail/a.test/${user}/Maildir/new`);
  return fs.existsSync(at)
    ? fs.readdirSync(at).map((name) => fs.readFileSync(path.join(at, name), "utf8"))
    : [];
};

test("qmail-inject sends to those of the header, the command line, or both, once, without Bcc", async (context) => {
  const world = await World.start(context);
  const inject = injecting(context, world);
  const header = "To: bob\nBcc: ann\nSubject: one\n";
  assert.deepEqual(inject({ words: [], input: `${header}\nhello\n.\nstill\n` }), {
    code: 0,
    out: "",
    err: "",
  });
  const [one = ""] = await eventually(() =>
    mailOf(world, "bob").length >= 1 ? mailOf(world, "bob") : false,
  );
  assert.match(one, /^Return-Path: <ann@a\.test>\n/);
  assert.match(
    one,
    /\nDate: \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d -0000\nMessage-ID: <\d{14}\.\d+\.qmail@mail\.a\.test>\nFrom: ann@a\.test\nTo: bob@a\.test\nSubject: one\n\nhello\n\.\nstill\n$/,
  );
  await eventually(() => mailOf(world, "ann").length >= 1);
  assert.equal(
    inject({ words: ["-a", "-f", "x@y.test", "ann"], input: header.replace("one", "two") }).code,
    0,
  );
  assert.equal(inject({ words: ["-H", "ann"], input: header.replace("one", "three") }).code, 0);
  const anns = await eventually(() => (mailOf(world, "ann").length >= 3 ? mailOf(world, "ann") : false));
  await eventually(() => mailOf(world, "bob").length >= 2);
  assert.match(anns.find((each) => each.includes("Subject: two")) ?? "", /^Return-Path: <x@y\.test>\n/);
  assert.equal(mailOf(world, "bob").filter((each) => each.includes("Subject: two")).length, 0);
  assert.equal(anns.filter((each) => each.includes("Subject: three")).length, 1);
});

test("qmail-inject as VERP sends each recipient his own sender", async (context) => {
  const world = await World.start(context);
  const inject = injecting(context, world);
  const environment = { QMAILINJECT: "r", QMAILSUSER: "list", QMAILNAME: "Ann 'A' \"B\"" };
  assert.equal(inject({ words: ["bob", "ann"], input: "To: l@x.test\n\nx\n", environment }).code, 0);
  const [bobs = ""] = await eventually(() =>
    mailOf(world, "bob").length > 0 ? mailOf(world, "bob") : false,
  );
  assert.match(bobs, /^Return-Path: <list-bob=a\.test@a\.test>\n/);
  assert.match(bobs, /^From: "Ann 'A' \\"B\\"" <ann@a\.test>$/m);
  const [anns = ""] = await eventually(() =>
    mailOf(world, "ann").length > 0 ? mailOf(world, "ann") : false,
  );
  assert.match(anns, /^Return-Path: <list-ann=a\.test@a\.test>\n/);
});

test("qmail-inject ends with 100 and 111 as qmail's does, and -n sends nothing", async (context) => {
  const world = await World.start(context);
  const inject = injecting(context, world);
  const printed = inject({ words: ["-n", "-f", "#@[]", "bob"], input: "To: c@h+\n\nx\n" });
  assert.equal(printed.code, 0);
  assert.match(
    printed.out,
    /^Return-Path: <"?#"?@\[\]>\nDate: [^\n]+\nMessage-ID: [^\n]+\nFrom: ann@a\.test\nTo: c@h\.a\.test\n\nx\n$/,
  );
  const never: readonly Given[] = [
    { words: ["-x"], input: "" },
    { words: [], input: "To: (a\n\n" },
    { words: [], input: "Subject: nobody\n\n" },
    { words: ["a\u0001b@x.test"], input: "\n" },
  ];
  for (const given of never) assert.equal(inject(given).code, 100, JSON.stringify(given));
  assert.match(
    inject({ words: [], input: "To: (a\n\n" }).err,
    /^qmail-inject: fatal: unable to parse this line:\nTo: \(a\n$/,
  );
  const nowhere = {
    words: ["ann"],
    input: "\n",
    environment: { KENRO_DIR: path.join(world.dir, "nowhere") },
  };
  assert.equal(inject(nowhere).code, 111);
  assert.deepEqual(fs.readdirSync(path.join(world.dir, "drop/new")), []);
});
