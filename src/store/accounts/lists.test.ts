import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import test, { type TestContext } from "node:test";
import { instructionNames, parseAccount, parseExtension, parseTarget } from "./address.ts";
import { contentsOf, formatEntry } from "./contents.ts";
import { dummyHash } from "./credentials.ts";
import { Directory, type Found } from "./directory.ts";
import { importContents } from "./import.ts";

function place(context: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), "kenro-lists-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return path.join(directory, "directory.db");
}

function at(address: string) {
  const parsed = parseAccount(address);
  assert.ok(parsed.ok, address);
  return parsed.value;
}

const done = (problem: string | undefined) => assert.equal(problem, undefined);

/** a.test with ann, bob, mary and mary-ann, and b.test, another name for it. */
function filled(context: TestContext): Directory {
  const directory = new Directory(place(context));
  context.after(() => directory.close());
  directory.addDomain("a.test", 1);
  directory.addDomain("b.test", 2);
  done(directory.setDomain("b.test", { aliasOf: "a.test" }));
  for (const user of ["ann", "bob", "mary", "mary-ann"])
    directory.addAccount(at(`${user}@a.test`), "hash", 1);
  return directory;
}

const alias = (directory: Directory, address: string, ...to: readonly string[]) =>
  directory.lists.add(at(address), { to, owner: undefined, verp: false }, 1);

/** What was found, in a few words. */
function short(found: Found): string {
  switch (found.kind) {
    case "account":
      return [
        found.account.address,
        found.ext && `ext ${found.ext}`,
        found.instructions && `by .qmail-${found.instructions.name}`,
      ]
        .filter(Boolean)
        .join(", ");
    case "list":
      return `to ${found.to.join(" ")}${found.owner === undefined ? "" : ` by ${found.owner}`}`;
    default:
      return found.kind;
  }
}

test("an address is an account, an alias, a group, an extension, postmaster or caught, in this order", (context) => {
  const directory = filled(context);
  done(alias(directory, "sales@a.test", "bob@a.test", "x@far.test"));
  done(alias(directory, "info@a.test", "ANN@b.test"));
  done(alias(directory, "deep@a.test", "info@b.test"));
  done(alias(directory, "out@a.test", "x@far.test"));
  done(alias(directory, "ann-work@a.test", "bob@a.test"));
  done(directory.lists.add(at("team@a.test"), { to: ["ann@a.test"], owner: "bob@a.test", verp: false }, 1));
  done(
    directory.lists.add(at("verp-owner@a.test"), { to: ["ann@a.test"], owner: "bob@a.test", verp: true }, 1),
  );
  const rows: readonly [address: string, wanted: string][] = [
    ["Ann@A.test", "ann@a.test"],
    ["ann@b.test", "ann@a.test"],
    ["sales@a.test", "to bob@a.test x@far.test"],
    ["info@b.test", "ann@a.test"],
    ["deep@a.test", "ann@a.test"],
    ["out@a.test", "to x@far.test"],
    ["ann-work@a.test", "bob@a.test"],
    ["ann+work@a.test", "ann@a.test, ext work"],
    ["ann-other@a.test", "ann@a.test, ext other"],
    ["ann-a-b.c@b.test", "ann@a.test, ext a-b.c"],
    ["mary-ann@a.test", "mary-ann@a.test"],
    ["mary-ann-x@a.test", "mary-ann@a.test, ext x"],
    ["mary-annx@a.test", "mary@a.test, ext annx"],
    ["ann-@a.test", "ann@a.test"],
    ["-ann@a.test", "unknown"],
    ["annx@a.test", "unknown"],
    ["sales-x@a.test", "unknown"],
    ["team@a.test", "to ann@a.test by team-owner@a.test"],
    ["team-owner@a.test", "bob@a.test"],
    ["team-owner-ann=x.test@a.test", "bob@a.test"],
    ["team-ownerx@a.test", "unknown"],
    ["team-x@a.test", "unknown"],
    ["verp-owner@b.test", "to ann@a.test by verp-owner-owner-@a.test-@[]"],
    ["verp-owner-owner-m=x@a.test", "bob@a.test"],
    ["postmaster@b.test", "ann@a.test"],
    ["ann@c.test", "elsewhere"],
    ["", "elsewhere"],
  ];
  for (const [address, wanted] of rows) assert.equal(short(directory.find(address)), wanted, address);
  directory.marks = "";
  assert.equal(short(directory.find("ann+work@a.test")), "unknown");
  directory.marks = "+";
  assert.equal(short(directory.find("ann-other@a.test")), "unknown");
  done(directory.setDomain("a.test", { catchAll: "bob@a.test" }));
  assert.equal(short(directory.find("annx@b.test")), "bob@a.test");
  assert.equal(short(directory.find("ann+x@b.test")), "ann@a.test, ext x");
  assert.equal(short(directory.find("postmaster@a.test")), "ann@a.test");
  directory.deleteAccount("bob@a.test");
  assert.equal(short(directory.find("annx@b.test")), "unknown");
  assert.equal(short(directory.find("bob@b.test")), "unknown");
});

test("aliases that lead to each other cannot be made, and end where they are there all the same", (context) => {
  const directory = filled(context);
  done(alias(directory, "one@a.test", "two@a.test"));
  assert.match(alias(directory, "two@a.test", "bob@a.test", "three@a.test") ?? "made", /^made$/);
  assert.match(
    alias(directory, "three@a.test", "ONE@b.test") ?? "",
    /three@a\.test → one@a\.test → two@a\.test → three@a\.test/,
  );
  assert.equal(directory.lists.find("three@a.test"), undefined);
  assert.match(directory.lists.retarget("two@a.test", ["one@a.test"], []) ?? "", /round for ever/);
  assert.deepEqual(directory.lists.find("two@a.test")?.to, ["bob@a.test", "three@a.test"]);
  assert.match(directory.setAccount("ann@a.test", { forwards: ["Ann@b.test"] }) ?? "", /itself/);
  assert.match(directory.setDomain("a.test", { catchAll: "none@a.test" }) ?? "", /There is no none@a\.test/);
  // two that were made by hand
  done(alias(directory, "four@a.test", "ann@a.test"));
  const { lists } = directory;
  assert.equal(lists.find("four@a.test")?.to.length, 1);
  for (let n = 0; n < 12; n++) done(alias(directory, `h${n}@a.test`, `h${n + 1}@a.test`));
  assert.equal(short(directory.find("h0@a.test")), "looping");
});

test("names are taken once: by accounts, aliases, and extensions that have something of their own", (context) => {
  const directory = filled(context);
  done(alias(directory, "sales@a.test", "ann@a.test"));
  done(directory.setExtension("ann@a.test", { ext: "shop", mailbox: true, password: undefined }));
  assert.match(alias(directory, "ann@a.test", "bob@a.test") ?? "", /already/);
  assert.match(alias(directory, "ann-shop@a.test", "bob@a.test") ?? "", /already/);
  assert.equal(directory.addAccount(at("sales@a.test"), "x", 1), "exists");
  assert.equal(directory.addAccount(at("ann-shop@a.test"), "x", 1), "exists");
  assert.equal(directory.addAccount(at("new@b.test"), "x", 1), "elsewhere");
  assert.match(
    directory.setExtension("mary@a.test", { ext: "ann", mailbox: false, password: "x" }) ?? "",
    /of its own/,
  );
  assert.match(alias(directory, "x@c.test", "ann@a.test") ?? "", /not one of our domains/);
  assert.match(alias(directory, "x@b.test", "ann@a.test") ?? "", /another name/);
  done(directory.setDomain("a.test", { maxAccounts: 4 }));
  assert.equal(directory.addAccount(at("new@a.test"), "x", 1), "full");
  assert.equal(directory.deleteDomain("a.test"), "used");
  assert.match(directory.setDomain("a.test", { aliasOf: "b.test" }) ?? "", /another name itself/);
});

test("login() takes extensions that have a password, and senders are whoever is nobody else", (context) => {
  const directory = filled(context);
  done(directory.setExtension("ann@a.test", { ext: "shop", mailbox: true, password: "shop" }));
  done(directory.setExtension("ann@a.test", { ext: "app", mailbox: false, password: "app" }));
  done(directory.setExtension("ann@a.test", { ext: "box", mailbox: true, password: undefined }));
  for (const [user, password, maildir, name] of [
    ["ann@a.test", "hash", "mail/a.test/ann/Maildir", "ann@a.test"],
    ["ann@b.test", "hash", "mail/a.test/ann/Maildir", "ann@a.test"],
    ["ann", "hash", "mail/a.test/ann/Maildir", "ann@a.test"],
    ["ann-shop@a.test", "shop", "mail/a.test/ann-shop/Maildir", "ann-shop@a.test"],
    ["ann+APP@b.test", "app", "mail/a.test/ann/Maildir", "ann-app@a.test"],
    ["ann-box@a.test", undefined, undefined, undefined],
    ["ann-no@a.test", undefined, undefined, undefined],
  ] as const) {
    const found = directory.login(user);
    assert.deepEqual([found?.password, found?.maildir, found?.name], [password, maildir, name], user);
  }
  done(alias(directory, "me@a.test", "ann@b.test"));
  done(alias(directory, "we@a.test", "ann@a.test", "bob@a.test"));
  done(directory.lists.add(at("team@a.test"), { to: ["ann@a.test"], owner: "bob@a.test", verp: false }, 1));
  const extensions = ["app", "box", "shop"].flatMap((ext) => ["-", "+"].map((mark) => `ann${mark}${ext}`));
  const wanted = ["ann", ...extensions].flatMap((local) => [`${local}@a.test`, `${local}@b.test`]);
  assert.deepEqual(directory.sendersOf("ann@a.test"), [...wanted, "me@a.test"]);
  assert.deepEqual(directory.sendersOf("nobody@a.test"), []);
});

test("instructions are found as qmail-local finds its files", (context) => {
  assert.deepEqual(
    [...instructionNames("lists-dev.x-y")].map(({ name, rest }) => `${name} ${rest}`),
    ["lists-dev:x-y undefined", "lists-dev:x-default y", "lists-default dev.x-y", "default lists-dev.x-y"],
  );
  const directory = filled(context);
  const texts = ["", "lists-default", "lists-owner", "news", "news-owner", "news-owner-default", "default"];
  for (const name of texts) done(directory.setInstructions("ann@a.test", name, `text ${name}`));
  for (const [address, wanted] of [
    ["ann@a.test", " undefined none"],
    ["ann-news@a.test", "news undefined verp"],
    ["ann-lists-x@a.test", "lists-default x none"],
    ["ann-LISTS-x.y@a.test", "lists-default x.y none"],
    ["ann-lists@a.test", "default lists owner"],
    ["ann-zzz@a.test", "default zzz none"],
  ] as const) {
    const found = directory.find(address);
    assert.ok(found.kind === "account" && found.instructions, address);
    const { name, rest, owner, text } = found.instructions;
    assert.equal(`${name} ${rest} ${owner}`, wanted, address);
    assert.equal(text, `text ${name}`);
  }
  assert.equal(directory.deleteInstructions("ann@a.test", "default"), true);
  // its own text where there is none for the extension
  assert.equal(short(directory.find("ann-zzz@a.test")), "ann@a.test, ext zzz, by .qmail-");
  // but who gave it a mailbox wants its mail there
  done(directory.setExtension("ann@a.test", { ext: "zzz", mailbox: true, password: undefined }));
  assert.equal(short(directory.find("ann-zzz@a.test")), "ann@a.test, ext zzz");
  assert.equal(short(directory.find("bob-zzz@a.test")), "bob@a.test, ext zzz");
  assert.match(directory.setInstructions("bob@a.test", "", "x".repeat(70_000)) ?? "", /at most/);
});

test("a quota is that of the account, else that of its domain", (context) => {
  const directory = filled(context);
  const quota = () => {
    const found = directory.find("ann@a.test");
    return found.kind === "account" && found.account.quota;
  };
  assert.equal(quota(), undefined);
  done(directory.setDomain("a.test", { quota: 100, messages: 5 }));
  assert.deepEqual(quota(), { bytes: 100, messages: 5 });
  done(directory.setAccount("ann@a.test", { quota: 7 }));
  assert.deepEqual(quota(), { bytes: 7, messages: 5 });
  done(directory.setAccount("ann@a.test", { quota: 0, messages: 0 }));
  assert.equal(quota(), undefined);
});

test("a directory of the first release is taken over", (context) => {
  const file = place(context);
  const raw = new DatabaseSync(file);
  raw.exec(`CREATE TABLE domains (name TEXT PRIMARY KEY NOT NULL, created INTEGER NOT NULL) STRICT;
    CREATE TABLE accounts (id INTEGER PRIMARY KEY, local TEXT NOT NULL, domain TEXT NOT NULL REFERENCES domains (name), address TEXT NOT NULL UNIQUE,
      password TEXT NOT NULL, created INTEGER NOT NULL, UNIQUE (domain, local)) STRICT;
    INSERT INTO domains VALUES ('a.test', 1); INSERT INTO accounts VALUES (1, 'ann', 'a.test', 'ann@a.test', 'hash', 1); PRAGMA user_version = 1;`);
  raw.close();
  using directory = new Directory(file);
  assert.equal(short(directory.find("ann-x@a.test")), "ann@a.test, ext x");
  assert.deepEqual(directory.settingsOf("ann@a.test"), {
    suspended: false,
    quota: undefined,
    messages: undefined,
    forwards: [],
    keep: true,
  });
});

const options = { replace: false, dryRun: false, now: 5 };
const textOf = (directory: Directory) =>
  contentsOf(directory)
    .map((entry) => `${formatEntry(entry)}\n`)
    .join("");

function rich(context: TestContext): Directory {
  const directory = filled(context);
  for (const user of ["ann", "bob", "mary", "mary-ann"]) directory.setPassword(`${user}@a.test`, dummyHash());
  done(alias(directory, "sales@a.test", "bob@a.test", "x@far.test"));
  done(directory.lists.add(at("team@a.test"), { to: ["ann@a.test"], owner: "bob@a.test", verp: true }, 1));
  done(directory.setDomain("a.test", { catchAll: "sales@a.test", quota: 100, maxAccounts: 9 }));
  done(
    directory.setAccount("ann@a.test", {
      suspended: true,
      messages: 0,
      forwards: ["y@far.test"],
      keep: false,
    }),
  );
  done(directory.setExtension("ann@a.test", { ext: "shop", mailbox: true, password: dummyHash() }));
  done(directory.setInstructions("ann@a.test", "shop", "&x@far.test\n"));
  return directory;
}

test("what is exported is imported again, into the same and into an empty directory", (context) => {
  const directory = rich(context);
  const text = textOf(directory);
  const nothing = { added: [], changed: [], removed: [], problems: [] };
  assert.deepEqual(importContents(directory, text, { ...options, replace: true }), nothing);
  using empty = new Directory(place(context));
  const found = importContents(empty, `# words\n\n${text}`, options);
  assert.deepEqual([found.problems, found.added.length], [[], text.split("\n").length - 1]);
  assert.equal(textOf(empty), text);
  // in any order of its lines
  using other = new Directory(place(context));
  importContents(other, text.split("\n").reverse().join("\n"), options);
  assert.equal(textOf(other), text);
});

test("an import changes what it says, with --replace removes the rest, and a dry run nothing", (context) => {
  const directory = rich(context);
  const before = textOf(directory);
  const change =
    '{"account":"BOB@a.test","quota":5}\n{"alias":"new@a.test","to":["Ann@B.test","ann@a.test"]}';
  const dry = importContents(directory, change, { ...options, dryRun: true });
  assert.deepEqual(
    [dry.added, dry.changed.length, dry.removed, dry.problems],
    [['{"alias":"new@a.test","to":["ann@a.test"]}'], 1, [], []],
  );
  assert.equal(textOf(directory), before);
  importContents(directory, change, options);
  assert.equal(directory.settingsOf("bob@a.test")?.quota, 5);
  // the password stayed
  assert.ok(
    before.includes(directory.accounts().find(({ address }) => address === "bob@a.test")?.password ?? "?"),
  );
  const replaced = importContents(directory, before, { ...options, replace: true });
  assert.deepEqual([replaced.removed.length, replaced.changed.length], [1, 1]);
  assert.equal(textOf(directory), before);
  // a name may change its kind
  const kind = before
    .replace(/^.*"alias":"sales.*\n/m, "")
    .replace('"catchAll":"sales@a.test"', '"catchAll":"ann@a.test"');
  const swapped = `${kind}{"account":"sales@a.test","password":"${dummyHash()}"}\n`;
  assert.deepEqual(importContents(directory, swapped, { ...options, replace: true }).problems, []);
});

test("everything that is wrong with a file is named by its line, and nothing of it is done", (context) => {
  const directory = rich(context);
  const before = textOf(directory);
  const lines: readonly [line: string, problem: RegExp | undefined][] = [
    ['{"domain":"c.test"}', undefined],
    ["{", /JSON/],
    ["{}", /none of domain/],
    ['{"alias":"no address","to":["a@b.test"]}', /not an address/],
    ['{"alias":"x@c.test","to":"a@b.test"}', /list/],
    ['{"alias":"x@c.test","to":["a@b.test"],"owner":"c@d.test"}', /"owner" is not known/],
    ['{"alias":"loop1@a.test","to":["loop2@a.test"]}', undefined],
    ['{"alias":"loop2@a.test","to":["loop1@a.test"]}', /round for ever/],
    ['{"domain":"c.test"}', /line 1 already/],
    ['{"account":"fresh@a.test"}', /no password/],
    ['{"account":"fresh2@a.test","password":"clear text"}', /as it is stored/],
    ['{"account":"fresh3@nowhere.test","password":"HASH"}', /not one of our domains/],
    ['{"account":"sales@a.test","password":"HASH"}', /already/],
    ['{"domain":"d.test","aliasOf":"b.test"}', /another name itself/],
    ['{"domain":"e.test","catchAll":"none@a.test2"}', undefined],
    ['{"group":"empty@a.test","owner":"ann@a.test","members":[]}', undefined],
    ['{"account":"ann@a.test","extensions":[{"ext":"a b"}]}', /cannot be an extension/],
  ];
  const { problems } = importContents(
    directory,
    lines.map(([line]) => line.replace("HASH", dummyHash())).join("\n"),
    options,
  );
  const wanted = lines.flatMap(([, problem], n) => (problem ? [{ problem, line: `Line ${n + 1}: ` }] : []));
  for (const { problem, line } of wanted)
    assert.ok(
      problems.some((each) => each.startsWith(line) && problem.test(each)),
      `${line}${problem}\n${problems.join("\n")}`,
    );
  assert.equal(problems.length, wanted.length, problems.join("\n"));
  assert.equal(textOf(directory), before);
});

test("targets and extensions are addresses, and parts of them", () => {
  for (const [given, wanted] of [
    ["ann@Far.TEST", "ann@far.test"],
    [" Ann@far.test ", "Ann@far.test"],
    ['"a b"@far.test', '"a b"@far.test'],
    ["jürg@bücher.test", "jürg@xn--bcher-kva.test"],
    ["ann", undefined],
    ["|program", undefined],
    ["a@b.test, c@d.test", undefined],
    ["", undefined],
  ] as const) {
    const parsed = parseTarget(given);
    assert.equal(parsed.ok ? parsed.value : undefined, wanted, given);
  }
  for (const [given, wanted] of [
    ["Shop", "shop"],
    ["a-b.c", "a-b.c"],
    ["", undefined],
    [".", undefined],
    ["../x", undefined],
    ["a@b", undefined],
    ["x".repeat(64), undefined],
  ] as const) {
    const parsed = parseExtension(given);
    assert.equal(parsed.ok ? parsed.value : undefined, wanted, given);
  }
});
