import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import test, { type TestContext } from "node:test";
import { maildirOf, parseAccount, parseDomain, safeName } from "./address.ts";
import { dummyHash, hashPassword, makePassword, verifyPassword } from "./credentials.ts";
import { Directory } from "./directory.ts";

function place(context: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), "kenro-accounts-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return path.join(directory, "directory.db");
}

function account(address: string) {
  const parsed = parseAccount(address);
  assert.ok(parsed.ok, address);
  return parsed.value;
}

function filled(file: string): Directory {
  const directory = new Directory(file);
  directory.addDomain("example.test", 1);
  directory.addDomain("other.test", 2);
  directory.addAccount(account("ann@example.test"), "hash-ann", 10);
  directory.addAccount(account("bob@example.test"), "hash-bob", 11);
  return directory;
}

test("find() tells accounts, unknown users and other people's domains apart, in any case", (context) => {
  using directory = filled(place(context));
  for (const [address, wanted] of [
    ["ann@example.test", "ann@example.test"],
    ["Ann@EXAMPLE.test", "ann@example.test"],
    ["BOB@example.test", "bob@example.test"],
    // RFC 5321 §4.1.2: quotes do not make another mailbox
    ['"Ann"@example.test', "ann@example.test"],
    ['"a\\nn"@example.test', "ann@example.test"],
    ['"@example.test', "unknown"],
    ['"a@b"@example.test', "unknown"],
    ["carl@example.test", "unknown"],
    ["@example.test", "unknown"],
    ["ann@elsewhere.test", "elsewhere"],
    ["ann@sub.example.test", "elsewhere"],
    ["ann", "elsewhere"],
    ["", "elsewhere"],
    ["ann@example.test@elsewhere.test", "elsewhere"],
    // RFC 5321 §4.5.1
    ["postmaster@example.test", "ann@example.test"],
    ["PostMaster@example.test", "ann@example.test"],
    ['"postmaster"@example.test', "ann@example.test"],
    ["postmaster@other.test", "ann@example.test"],
    ["postmaster", "ann@example.test"],
    ["postmaster@elsewhere.test", "elsewhere"],
  ] as const) {
    const found = directory.find(address);
    assert.equal(found.kind === "account" ? found.account.address : found.kind, wanted, address);
  }
});

test("an account of the name postmaster gets postmaster's mail", (context) => {
  using directory = filled(place(context));
  directory.addAccount(account("postmaster@example.test"), "hash", 12);
  const found = directory.find("postmaster@example.test");
  assert.equal(found.kind === "account" && found.account.address, "postmaster@example.test");
});

test("login() takes a bare name only where there is one domain", (context) => {
  using directory = filled(place(context));
  assert.equal(directory.login("ann@example.test")?.password, "hash-ann");
  assert.equal(directory.login("ann"), undefined);
  assert.equal(directory.deleteDomain("other.test"), "deleted");
  assert.equal(directory.login("ANN")?.address, "ann@example.test");
  assert.equal(directory.login("postmaster@example.test"), undefined);
});

test("changes say what they did", (context) => {
  using directory = filled(place(context));
  assert.equal(directory.addDomain("example.test", 5), false);
  assert.equal(directory.addAccount(account("ann@example.test"), "x", 1), "exists");
  assert.equal(directory.addAccount(account("ANN@example.test"), "x", 1), "exists");
  assert.equal(directory.addAccount(account("ann@nowhere.test"), "x", 1), "elsewhere");
  assert.equal(directory.setPassword("ann@example.test", "new"), true);
  assert.equal(directory.login("ann@example.test")?.password, "new");
  assert.equal(directory.setPassword("nobody@example.test", "new"), false);
  assert.equal(directory.deleteDomain("example.test"), "used");
  assert.equal(directory.deleteDomain("nowhere.test"), "unknown");
  assert.equal(directory.deleteAccount("ann@example.test"), true);
  assert.equal(directory.deleteAccount("ann@example.test"), false);
  assert.deepEqual(
    directory.accounts().map((each) => each.address),
    ["bob@example.test"],
  );
  assert.deepEqual(
    directory.domains().map(({ name, accounts }) => [name, accounts]),
    [
      ["example.test", 1],
      ["other.test", 0],
    ],
  );
});

test("what one process writes the other sees at once, and it is there after both have closed", (context) => {
  const file = place(context);
  using reader = filled(file);
  {
    using writer = new Directory(file);
    writer.addAccount(account("new@example.test"), "hash", 20);
  }
  assert.equal(reader.find("new@example.test").kind, "account");
  using again = new Directory(file);
  assert.equal(again.find("new@example.test").kind, "account");
});

test("a directory that a newer release has written is not touched", (context) => {
  const file = place(context);
  filled(file).close();
  const raw = new DatabaseSync(file);
  raw.exec("PRAGMA user_version = 1000");
  raw.close();
  assert.throws(() => new Directory(file), /newer release/);
});

test("parseAccount() and parseDomain() take what can be an account", () => {
  for (const [given, wanted] of [
    ["ann@example.test", "ann@example.test"],
    ["Ann.Lee+x@Example.TEST", "ann.lee+x@example.test"],
    ["o'neill/x@localhost", "o'neill/x@localhost"],
    ["jürgen@bücher.test", "jürgen@xn--bcher-kva.test"],
    [`${"a".repeat(64)}@example.test`, `${"a".repeat(64)}@example.test`],
    [`${"a".repeat(65)}@example.test`, undefined],
    ["", undefined],
    ["@example.test", undefined],
    ["ann@", undefined],
    ["ann", undefined],
    ["a b@example.test", undefined],
    ["a..b@example.test", undefined],
    [".a@example.test", undefined],
    ['"a"@example.test', undefined],
    ["a\u0000b@example.test", undefined],
    ["ann@exa mple.test", undefined],
    ["ann@-example.test", undefined],
    ["ann@example..test", undefined],
    ["ann@[127.0.0.1]", undefined],
    ["a\r\nb@example.test", undefined],
  ] as const) {
    const parsed = parseAccount(given);
    assert.equal(parsed.ok ? parsed.value.address : undefined, wanted, JSON.stringify(given));
  }
  assert.equal(parseDomain(`${"a.".repeat(127)}a`).ok, true);
  assert.equal(parseDomain(`${"a.".repeat(128)}a`).ok, false);
});

test("safeName() makes one harmless path component of any name, and no two names meet", () => {
  for (const [name, wanted] of [
    ["ann", "ann"],
    ["ann.lee", "ann.lee"],
    ["..", "%2E."],
    [".", "%2E"],
    [".hidden", "%2Ehidden"],
    ["a/b", "a%2Fb"],
    ["../../etc", "%2E.%2F..%2Fetc"],
    ["a%2fb", "a%252fb"],
    ["a\u0000b", "a%00b"],
    ["ü", "%C3%BC"],
    ["ann+news", "ann+news"],
  ] as const)
    assert.equal(safeName(name), wanted);
  assert.equal(maildirOf("ann", "example.test"), "mail/example.test/ann/Maildir");
});

test("a password verifies against its own hash only, in either normal form", async () => {
  const stored = await hashPassword("schön");
  assert.match(stored, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  assert.equal(await verifyPassword("schön", stored), true);
  assert.equal(await verifyPassword("scho\u0308n", stored), true);
  assert.equal(await verifyPassword("schon", stored), false);
  assert.equal(await verifyPassword("a\u00a0b", await hashPassword("a b")), true);
  assert.notEqual(await hashPassword("schön"), stored);
  assert.equal(await verifyPassword("schön", dummyHash()), false);
});

test("verifyPassword() says no to damaged strings", async () => {
  for (const damaged of [
    "",
    "x",
    "$argon2id$v=19$m=9999999,t=2,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
    "$1$x$y",
  ])
    assert.equal(await verifyPassword("password", damaged), false, damaged);
});

test("makePassword() makes a new one each time", () => {
  assert.match(makePassword(), /^[a-z2-9]{4}(?:-[a-z2-9]{4}){3}$/);
  assert.notEqual(makePassword(), makePassword());
});
