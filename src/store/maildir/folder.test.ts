// A Maildir as a list: UIDs that last, other programs at work, crashes and full disks.

import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { Trouble } from "#base/problem.ts";
import { type Disk, realDisk } from "#sys/disk.ts";
import { Folder } from "./folder.ts";
import { formatName, normalFlags, parseName } from "./names.ts";
import { canonicalName, directoryOf, nameOf, Tree } from "./tree.ts";
import { formatUidList, newValidity, parseUidList, UIDLIST } from "./uidlist.ts";

/** Runs with an empty Maildir of its own. */
async function withMaildir(run: (at: string) => Promise<void>): Promise<void> {
  const at = fs.mkdtempSync(path.join(tmpdir(), "kenro-folder-"));
  try {
    for (const place of ["new", "cur", "tmp"]) fs.mkdirSync(path.join(at, place));
    await run(at);
  } finally {
    fs.rmSync(at, { recursive: true, force: true });
  }
}

const VALIDITY = 1_700_000_000;

const folderAt = (at: string, disk: Disk = realDisk) =>
  new Folder({ disk, path: at, now: () => Date.now(), newValidity: async () => VALIDITY });

const put = (at: string, name: string, place = "new") =>
  fs.writeFileSync(path.join(at, place, name), "A: b\n\nx\n");

const shown = (folder: Folder) => folder.messages.map(({ uid, base, flags }) => `${uid} ${base} ${flags}`);

test("names tell base, flags, sizes and times", () => {
  const rows = [
    ["1.a.h", "1.a.h", "", undefined, 1000],
    ["1.a.h,S=5,W=6:2,SF", "1.a.h,S=5,W=6", "FS", 6, 1000],
    ["1.M5P6.h:2,TTa", "1.M5P6.h", "Ta", undefined, 0],
    ["x:1,S", "x", "", undefined, 0],
    ["1.a,W=7,S=8:2,", "1.a,W=7,S=8", "", 7, 1000],
  ] as const;
  for (const [file, base, flags, wireSize, received] of rows) {
    const name = parseName(file);
    assert.deepEqual(
      [name.base, name.flags, name.wireSize, name.received],
      [base, flags, wireSize, received],
      file,
    );
  }
  assert.equal(formatName("b", "SFS"), "b:2,FS");
  assert.equal(normalFlags("b,S/a"), "Sab");
});

test("UIDs go by arrival, survive another process, and are never used twice", () =>
  withMaildir(async (at) => {
    put(at, "20.b.h");
    put(at, "10.a.h");
    const folder = folderAt(at);
    await folder.scan();
    assert.deepEqual(shown(folder), ["1 10.a.h ", "2 20.b.h "]);
    const second = folder.messages[1];
    assert.ok(second);
    await folder.expunge([second]);
    put(at, "30.c.h");
    const other = folderAt(at);
    await other.scan();
    assert.deepEqual(shown(other), ["1 10.a.h ", "3 30.c.h "]);
    assert.equal(other.validity, VALIDITY);
    assert.equal(other.nextUid, 4);
  }));

test("an empty folder keeps its UIDVALIDITY", () =>
  withMaildir(async (at) => {
    await folderAt(at).scan();
    assert.match(fs.readFileSync(path.join(at, UIDLIST), "utf8"), /^3 V1700000000 N1 G[0-9a-f]{32}\n$/);
  }));

test("a list that Dovecot wrote is taken over, with what we do not know", () =>
  withMaildir(async (at) => {
    put(at, "10.M1P1.h,S=8:2,S", "cur");
    const line = "7 W10 P0000abcd :10.M1P1.h,S=8:2,\n";
    fs.writeFileSync(path.join(at, UIDLIST), `3 V123 N9 G${"a".repeat(32)}\n5 :gone\n${line}`);
    const folder = folderAt(at);
    await folder.scan();
    assert.deepEqual(shown(folder), ["7 10.M1P1.h,S=8 S"]);
    const [message] = folder.messages;
    assert.ok(message);
    assert.equal(message.wireSize, 10);
    assert.equal(folder.oldUidl(message), "0000abcd");
    assert.equal(folder.validity, 123);
    put(at, "20.b.h");
    await folder.scan();
    assert.equal(folder.messages[1]?.uid, 9);
    assert.match(
      fs.readFileSync(path.join(at, UIDLIST), "utf8"),
      /\n7 W10 P0000abcd :10\.M1P1.*\n9 :20\.b\.h\n$/,
    );
  }));

test("a list cut off by a crash is read as far as it goes, and written anew", () =>
  withMaildir(async (at) => {
    put(at, "10.a.h");
    put(at, "20.b.h");
    fs.writeFileSync(path.join(at, UIDLIST), `3 V5 N1 G${"a".repeat(32)}\n3 :10.a.h\n4 :20.`);
    const folder = folderAt(at);
    await folder.scan();
    assert.deepEqual(shown(folder), ["3 10.a.h ", "4 20.b.h "]);
    const again = folderAt(at);
    await again.scan();
    assert.deepEqual(shown(again), shown(folder));
  }));

test("a list that is damage gives new UIDs under another UIDVALIDITY", () => {
  for (const text of ["", "\n", "2 V1 N1\n", "3 V0 N1\n", "3 N1\n", "3 V99999999999 N1\n", "\0\0\0"]) {
    assert.equal(parseUidList(text), undefined, JSON.stringify(text));
  }
  const list = parseUidList("3 V9 N2 Gxx\n5 :a\n4 :b\nx :c\n6 :\n99999999999 :d\n7 :e:2,S\n");
  assert.ok(list);
  assert.deepEqual([...list.entries.keys()], ["a", "e"]);
  assert.equal(list.next, 8);
  assert.deepEqual(parseUidList(formatUidList(list)), list);
});

test("what other programs do is followed: flags, moves, removals, names that cannot be used", () =>
  withMaildir(async (at) => {
    put(at, "10.a.h");
    put(at, "20.b.h:2,S", "cur");
    put(at, ".hidden", "cur");
    put(at, "bad\nname", "cur");
    const folder = folderAt(at);
    await folder.scan();
    assert.deepEqual(shown(folder), ["1 10.a.h ", "2 20.b.h S"]);
    const [first, second] = folder.messages;
    assert.ok(first && second);

    fs.renameSync(path.join(at, "new/10.a.h"), path.join(at, "cur/10.a.h:2,Fa"));
    assert.equal(await folder.setFlags(second, (flags) => `${flags}T`), true);
    // found again under its other name, and the letters it has got there stay
    assert.equal(await folder.setFlags(first, (flags) => `${flags}S`), true);
    assert.deepEqual(shown(folder), ["1 10.a.h FSa", "2 20.b.h ST"]);
    fs.rmSync(path.join(at, "cur/20.b.h:2,ST"));
    assert.equal(await folder.open(second), undefined);
    assert.equal(second.gone, true);
    assert.equal(await folder.setFlags(second, () => ""), false);
    assert.equal(folder.messages.length, 1);
  }));

test("a file that readdir misses once is not gone", () =>
  withMaildir(async (at) => {
    put(at, "10.a.h:2,", "cur");
    let blind = false;
    const disk: Disk = {
      ...realDisk,
      list: async (directory) => {
        const names = await realDisk.list(directory);
        if (!blind || !directory.endsWith("cur")) return names;
        blind = false;
        return [];
      },
    };
    const folder = folderAt(at, disk);
    await folder.scan();
    blind = true;
    await folder.scan();
    assert.deepEqual(shown(folder), ["1 10.a.h "]);
    assert.equal(folder.expunges, 0);
  }));

test("with a full disk old mail is read and removed, new mail waits, no UID is told that is not on disk", () =>
  withMaildir(async (at) => {
    put(at, "10.a.h:2,", "cur");
    let full = false;
    const fail = async (): Promise<never> => {
      throw new Trouble("write", "No space", { code: "ENOSPC" });
    };
    const disk: Disk = {
      ...realDisk,
      open: (file) => (full ? fail() : realDisk.open(file)),
      create: (file, mode) => (full ? fail() : realDisk.create(file, mode)),
    };
    const folder = folderAt(at, disk);
    await folder.scan();
    full = true;
    put(at, "20.b.h");
    await folder.scan();
    assert.deepEqual(shown(folder), ["1 10.a.h "]);
    const [first] = folder.messages;
    assert.ok(first);
    await folder.expunge([first]);
    full = false;
    await folder.scan();
    assert.equal(folder.messages.length, 1);
    assert.ok((folder.messages[0]?.uid ?? 0) > 1);
    const again = folderAt(at);
    await again.scan();
    assert.deepEqual(shown(again), shown(folder));
  }));

test("adopted files are messages with durable UIDs, in order", () =>
  withMaildir(async (at) => {
    const folder = folderAt(at);
    for (const name of ["a", "b"]) put(at, name, "tmp");
    const uids = await folder.adopt([
      { tmp: path.join(at, "tmp/a"), base: "9.a.h", flags: "S" },
      { tmp: path.join(at, "tmp/b"), base: "1.b.h", flags: "" },
    ]);
    assert.deepEqual(uids, [1, 2]);
    assert.deepEqual(shown(folder), ["1 9.a.h S", "2 1.b.h "]);
    const again = folderAt(at);
    await again.scan();
    assert.deepEqual(shown(again), shown(folder));
  }));

test("UIDVALIDITY never comes again in a Maildir", () =>
  withMaildir(async (at) => {
    const now = 1_700_000_000_000;
    assert.equal(await newValidity(realDisk, at, now), 1_700_000_000);
    assert.equal(await newValidity(realDisk, at, now), 1_700_000_001);
    assert.equal(await newValidity(realDisk, at, now - 5000), 1_700_000_002);
  }));

test("mailbox names and directories", () => {
  const rows: readonly (readonly [string, string])[] = [
    ["INBOX", ""],
    ["inbox", ""],
    ["Sent", ".Sent"],
    ["Work/2026", ".Work.2026"],
    ["v1.0", ".v1&AC4-0"],
    ["Entwürfe", ".Entw&APw-rfe"],
    ["..", ".&AC4-&AC4-"],
    ["inbox/x", ".INBOX.x"],
  ];
  for (const [name, directory] of rows) {
    assert.deepEqual(directoryOf(name), { ok: true, value: directory }, name);
    if (directory !== "") assert.equal(nameOf(directory), canonicalName(name));
  }
  for (const wrong of [
    "",
    "/",
    "a//b",
    "/a",
    "a/",
    "a\0b",
    "a\nb",
    "\ud800",
    "x".repeat(101),
    `${"x/".repeat(150)}x`,
  ]) {
    assert.equal(directoryOf(wrong).ok, false, JSON.stringify(wrong).slice(0, 40));
  }
  for (const directory of [".", "..", "...", ".a..b", "..deleted.x", "cur", ".bad&name"]) {
    assert.equal(nameOf(directory), undefined, directory);
  }
});

test("subscriptions that Dovecot wrote are read, and written so that it reads them", () =>
  withMaildir(async (at) => {
    fs.writeFileSync(path.join(at, "subscriptions"), "V\t2\n\nINBOX\nWork\t2026\n");
    const tree = new Tree(realDisk, at, () => Date.now());
    assert.deepEqual(await tree.subscriptions(), ["INBOX", "Work/2026"]);
    await tree.subscribe("Entwürfe", true);
    assert.equal(
      fs.readFileSync(path.join(at, "subscriptions"), "latin1"),
      "INBOX\nWork.2026\nEntw&APw-rfe\n",
    );
  }));
