// The commands about who gets mail, as people and programs call them; no server runs.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";

const executable = path.resolve(import.meta.dirname, "../../bin/kenro");

function place(context: TestContext) {
  const directory = fs.mkdtempSync(path.join(tmpdir(), "kenro-directory-"));
  context.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  const run = (words: readonly string[], input = "", env: NodeJS.ProcessEnv = {}) => {
    const ran = spawnSync(executable, [...words, "--dir", directory], {
      input,
      encoding: "utf8",
      env: { ...process.env, ...env },
    });
    return { code: ran.status, out: ran.stdout, err: ran.stderr };
  };
  const ok = (words: readonly string[], input = "", env: NodeJS.ProcessEnv = {}): string => {
    const { code, out, err } = run(words, input, env);
    assert.equal(code, 0, `${words.join(" ")}: ${err}`);
    assert.equal(err, "");
    return out;
  };
  const json = (...words: readonly string[]): unknown => JSON.parse(ok([...words, "--json"]));
  /** One sentence, and how it ended. */
  const refused = (words: readonly string[], code: number, sentence: RegExp, input = "") => {
    const ran = run(words, input);
    assert.equal(ran.code, code, ran.err);
    assert.match(ran.err, /^[A-Z"a-z][^\n]{10,}\n$/);
    assert.match(ran.err, sentence);
    assert.equal(ran.out, "");
  };
  ok(["init", "--hostname", "mx.a.test", "--domain", "a.test", "--port-base", "20000", "--yes"]);
  for (const user of ["ann", "bob"]) ok(["user", "add", `${user}@a.test`, "--password-stdin"], "secret\n");
  return { directory, run, ok, json, refused };
}

test("aliases and groups are made, changed, listed and deleted", (context) => {
  const { ok, json, refused } = place(context);
  assert.equal(
    ok(["alias", "add", "Sales@A.test", "ann@a.test", "x@far.test"]),
    "sales@a.test goes to ann@a.test, x@far.test\n",
  );
  ok(["alias", "add", "sales@a.test", "bob@a.test"]);
  ok(["alias", "del", "sales@a.test", "x@far.test"]);
  assert.deepEqual(json("alias", "list"), [{ address: "sales@a.test", to: ["ann@a.test", "bob@a.test"] }]);
  refused(["alias", "del", "sales@a.test", "x@far.test"], 1, /x@far\.test is not in sales@a\.test/);
  refused(["alias", "add", "ann@a.test", "bob@a.test"], 1, /ann@a\.test is there already/);
  refused(["alias", "add", "x@c.test", "bob@a.test"], 1, /kenro domain add c\.test/);
  refused(["alias", "add", "x@a.test", "nonsense"], 2, /"nonsense" is not an address/);
  refused(["alias", "add", "x@a.test", "x@a.test"], 1, /round for ever/);
  refused(["alias", "add", "x@a.test"], 2, /[Mm]issing/);
  ok(["alias", "del", "sales@a.test"]);
  refused(["alias", "del", "sales@a.test"], 1, /no alias/);
  assert.deepEqual(json("alias", "list", "a.test"), []);
  assert.match(ok(["group", "add", "team@a.test", "ann@a.test"]), /owner postmaster@a\.test, 1 member$/m);
  ok(["group", "member", "add", "team@a.test", "bob@a.test", "m@far.test"]);
  ok(["group", "member", "del", "team@a.test", "bob@a.test"]);
  ok(["group", "set", "team@a.test", "--owner", "bob@a.test", "--verp", "yes"]);
  const group = {
    address: "team@a.test",
    owner: "bob@a.test",
    verp: true,
    members: ["ann@a.test", "m@far.test"],
  };
  assert.deepEqual(json("group", "list"), [group]);
  assert.equal(ok(["group", "member", "list", "team@a.test"]), "ann@a.test\nm@far.test\n");
  refused(["alias", "add", "team@a.test", "ann@a.test"], 1, /is a group/);
  refused(["group", "set", "team@a.test", "--verp", "perhaps"], 2, /yes or no/);
  ok(["group", "del", "team@a.test"]);
  refused(["group", "del", "team@a.test"], 1, /no group/);
});

test("domains and accounts have settings, which stay until they are changed", (context) => {
  const { ok, json, refused } = place(context);
  ok(["domain", "set", "a.test", "--quota", "1G", "--max-accounts", "2", "--catch-all", "ann@a.test"]);
  ok(["domain", "set", "a.test", "--messages", "9", "--total-quota", "20G"]);
  ok(["domain", "add", "b.test", "--alias-of", "a.test"]);
  const [a, b] = (json("domain", "list") as Record<string, unknown>[]).map(({ created: _, ...rest }) => rest);
  assert.deepEqual(a, {
    name: "a.test",
    accounts: 2,
    catchAll: "ann@a.test",
    quota: 1024 ** 3,
    messages: 9,
    maxAccounts: 2,
    totalQuota: 20 * 1024 ** 3,
  });
  assert.deepEqual(b, { name: "b.test", accounts: 0, aliasOf: "a.test" });
  ok(["domain", "set", "a.test", "--catch-all", "none", "--messages", "none"]);
  assert.match(ok(["domain", "list"]), /^a\.test {2}2 accounts of 2, 1\.0G each, 20\.0G together$/m);
  refused(["user", "add", "new@a.test", "--password-stdin"], 1, /as many accounts/, "secret\n");
  refused(["user", "add", "new@b.test", "--password-stdin"], 1, /another name/, "secret\n");
  refused(["domain", "set", "a.test", "--quota", "much"], 2, /size/);
  refused(["domain", "del", "b.test2"], 1, /not one of our domains/);
  ok([
    "user",
    "set",
    "ann@a.test",
    "--quota",
    "10k",
    "--suspend",
    "--forward",
    "x@far.test",
    "--forward",
    "y@far.test",
    "--keep",
    "no",
  ]);
  ok(["user", "set", "ann@a.test", "--messages", "none"]);
  assert.equal(
    ok(["user", "list"]),
    "ann@a.test  suspended; 10.0K; unlimited; goes to x@far.test, y@far.test\nbob@a.test\n",
  );
  ok([
    "user",
    "set",
    "ann@a.test",
    "--quota",
    "domain",
    "--messages",
    "domain",
    "--resume",
    "--forward",
    "none",
    "--keep",
    "yes",
  ]);
  assert.equal(ok(["user", "list"]), "ann@a.test\nbob@a.test\n");
  refused(["user", "set", "ann@a.test", "--suspend", "--resume"], 2, /at once/);
  refused(["user", "set", "eve@a.test", "--suspend"], 1, /no account eve@a\.test/);
});

test("extensions and instructions belong to an account", (context) => {
  const { directory, ok, json, refused, run } = place(context);
  refused(["user", "ext", "add", "ann@a.test", "shop"], 2, /--mailbox/);
  ok(["user", "ext", "add", "ann@a.test", "Shop", "--mailbox"]);
  const made = json("user", "ext", "add", "ann@a.test", "app", "--password") as {
    address: string;
    password: string;
  };
  assert.match(made.password, /^[a-z2-9-]{19}$/);
  ok(["user", "ext", "add", "ann@a.test", "shop", "--password-stdin"], "pw\n");
  assert.deepEqual(json("user", "ext", "list", "ann@a.test"), [
    { address: "ann-app@a.test", ext: "app", mailbox: false, password: true },
    { address: "ann-shop@a.test", ext: "shop", mailbox: true, password: true },
  ]);
  ok(["user", "ext", "del", "ann@a.test", "app"]);
  refused(["user", "ext", "del", "ann@a.test", "app"], 1, /nothing of its own/);
  refused(["user", "qmail", "ann@a.test"], 1, /ann@a\.test has no \.qmail/);
  const text = "# first\n&x@far.test\n./Maildir/\n";
  ok(["user", "qmail", "ann-Lists.x-default@a.test", "--set", "-"], text);
  assert.equal(ok(["user", "qmail", "ann+lists.x-default@a.test"]), text);
  assert.deepEqual(json("user", "qmail", "ann-lists.x-default@a.test"), {
    address: "ann@a.test",
    name: "lists:x-default",
    text,
  });
  const editor = path.join(directory, "editor");
  fs.writeFileSync(editor, '#!/bin/sh\necho "# second" >> "$1"\n', { mode: 0o755 });
  ok(["user", "qmail", "ann-lists.x-default@a.test", "--edit"], "", { VISUAL: editor });
  assert.equal(ok(["user", "qmail", "ann-lists.x-default@a.test"]), `${text}# second\n`);
  assert.equal(run(["user", "qmail", "ann@a.test", "--edit"], "", { VISUAL: "false" }).code, 1);
  refused(["user", "qmail", "ann@a.test", "--set", "-"], 1, /NUL/, "a\0b");
  refused(["user", "qmail", "ann@a.test", "--set", "-"], 1, /at most/, "x".repeat(70_000));
  refused(["user", "qmail", "zoe@a.test"], 1, /no account/);
  ok(["user", "qmail", "ann-lists.x-default@a.test", "--del"]);
  refused(["user", "qmail", "ann-lists.x-default@a.test", "--del"], 1, /has no/);
});

test("the directory goes into a file and comes back, and what is wrong with a file is said with its lines", (context) => {
  const { directory, ok, json, run } = place(context);
  ok(["alias", "add", "sales@a.test", "ann@a.test"]);
  const file = path.join(directory, "export");
  ok(["directory", "export", file]);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  const text = fs.readFileSync(file, "utf8");
  assert.equal(ok(["directory", "export"]), text);
  assert.equal((json("directory", "export") as unknown[]).length, 4);
  fs.writeFileSync(file, `${text.replace("sales", "verkauf")}{"domain":"c.test"}\n`);
  const dry = ok(["directory", "import", file, "--dry-run", "--replace"]);
  assert.match(dry, /^- .*sales@a\.test/m);
  assert.match(dry, /^\+ .*verkauf@a\.test/m);
  assert.match(dry, /^Would be: 2 added, 0 changed, 1 removed$/m);
  assert.equal(ok(["directory", "export"]), text);
  assert.equal(ok(["directory", "import", file, "--replace"]), "2 added, 0 changed, 1 removed\n");
  assert.equal(ok(["directory", "import", "-"], text), "1 added, 0 changed, 0 removed\n");
  const bad = run(
    ["directory", "import", "-"],
    '{"domain":"d.test"}\nx\n{"alias":"x@e.test","to":["ann@a.test"]}\n',
  );
  assert.equal(bad.code, 1);
  assert.match(bad.err, /^Line 2: it is not JSON\nLine 3: .*e\.test.*\nNothing was changed\n$/);
  assert.ok(!ok(["directory", "export"]).includes("d.test"));
});
