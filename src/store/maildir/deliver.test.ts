import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { Trouble } from "#base/problem.ts";
import type { Disk, DiskFile } from "#sys/disk.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { fileHost, type Letter, Mailbox } from "./deliver.ts";
import { RECENT, RECENT_FULL, RECENT_OLD, Recent } from "./recent.ts";

const NOW = 1_700_000_000_000;

function maildir(context: TestContext): string {
  const made = mkdtempSync(path.join(tmpdir(), "kenro-maildir-"));
  context.after(() => rmSync(made, { recursive: true, force: true }));
  return path.join(made, "Maildir");
}

function letter(base: string, body: string | readonly string[] = "Subject: x\r\n\r\nhi\r\n"): Letter {
  const chunks = (typeof body === "string" ? [body] : body).map((part) => Buffer.from(part, "latin1"));
  return {
    base,
    head: Buffer.from("Return-Path: <a@b.example>\nDelivered-To: c@d.example\n"),
    body: {
      size: Buffer.concat(chunks).length,
      whole: typeof body === "string" ? chunks[0] : undefined,
      async *chunks() {
        yield* chunks;
      },
    },
  };
}

const namesIn = (at: string, place: string) => readdirSync(path.join(at, place)).sort();
const onlyIn = (at: string, place: string): string => {
  const names = namesIn(at, place);
  assert.equal(names.length, 1, `${place}: ${names.join(" ")}`);
  return path.join(at, place, names[0] ?? "");
};

/** A disk on which `before` runs first; what it throws or never settles is what happens. */
function diskWith(before: (verb: string, at: string) => void | Promise<void>): Disk {
  const wrapFile = (file: DiskFile, at: string): DiskFile => ({
    read: (...args) => file.read(...args),
    write: async (...args) => {
      await before("write", at);
      return file.write(...args);
    },
    syncData: () => file.syncData(),
    sync: async () => {
      await before("sync", at);
      return file.sync();
    },
    truncate: (size) => file.truncate(size),
    size: () => file.size(),
    close: () => file.close(),
  });
  return {
    ...quickDisk,
    create: async (at, mode) => {
      await before("create", at);
      return wrapFile(await quickDisk.create(at, mode), at);
    },
    open: async (at) => wrapFile(await quickDisk.open(at), at),
    rename: async (from, to) => {
      await before("rename", from);
      return quickDisk.rename(from, to);
    },
    syncDirectory: async (at) => {
      await before("syncDirectory", at);
      return quickDisk.syncDirectory(at);
    },
    list: async (at) => {
      await before("list", at);
      return quickDisk.list(at);
    },
  };
}

const trouble = (code: string) => new Trouble("write", "Cannot write", { code });

test("a message comes into new/ with LF, its sizes in the name, and nothing stays in tmp/", async (context) => {
  const rows: [body: string | string[], disk: string][] = [
    ["a\r\n", "a\n"],
    ["", ""],
    ["8-bit \xe4\xff\r\n.dot\r\n\r\nno end", "8-bit \xe4\xff\n.dot\n\nno end"],
    [["cut between\r", "\nthe two", "\r", "\n"], "cut between\nthe two\n"],
  ];
  for (const [body, disk] of rows) {
    const at = maildir(context);
    const mailbox = new Mailbox(quickDisk, at);
    const dropped = await mailbox.deliver(letter("1.id-1.0.h", body), false, NOW);
    const file = onlyIn(at, "new");
    const bytes = readFileSync(file, "latin1");
    assert.equal(bytes, `Return-Path: <a@b.example>\nDelivered-To: c@d.example\n${disk}`);
    const wire = bytes.replaceAll("\n", "\r\n").length;
    assert.equal(path.basename(file), `1.id-1.0.h,S=${bytes.length},W=${wire}`);
    assert.deepEqual(dropped, { file: path.basename(file), again: false, full: false });
    assert.deepEqual(namesIn(at, "tmp"), []);
    assert.equal(statSync(at).mode & 0o777, 0o700);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    await mailbox.close();
  }
});

test("the host name in a file name has none of the characters that mean something there", () => {
  assert.equal(fileHost("a/b:c,d e"), "a_b_c_d_e");
});

test("an ordinary delivery lists no directory but the first time tmp/", async (context) => {
  const lists: string[] = [];
  const at = maildir(context);
  const disk = diskWith((verb, where) => {
    if (verb === "list") lists.push(path.basename(where));
  });
  const mailbox = new Mailbox(disk, at);
  for (const n of [1, 2, 3]) await mailbox.deliver(letter(`1.id-${n}.0.h`), false, NOW);
  assert.deepEqual(lists, ["tmp"]);
});

/** What readers and crashes do between two requests for the same delivery; rows of the table in docs/local.md. */
const laters: readonly {
  readonly what: string;
  readonly meanwhile: (at: string, file: string) => void;
  readonly again: boolean;
  readonly files: number;
}[] = [
  { what: "it is still new", meanwhile: () => {}, again: true, files: 1 },
  {
    what: "a reader has seen it",
    meanwhile: (at, file) => renameSync(file, path.join(at, "cur", `${path.basename(file)}:2,FS`)),
    again: true,
    files: 1,
  },
  {
    what: "a reader took the sizes out of its name",
    meanwhile: (at, file) => renameSync(file, path.join(at, "cur", "1.id-1.0.h:2,S")),
    again: true,
    files: 1,
  },
  { what: "a reader has removed it", meanwhile: (_, file) => rmSync(file), again: true, files: 0 },
  {
    what: "the rename did not survive",
    meanwhile: (at, file) => renameSync(file, path.join(at, "tmp", path.basename(file))),
    again: false,
    files: 1,
  },
  {
    what: "only half a file in tmp/ survived",
    meanwhile: (at, file) => {
      rmSync(file);
      rmSync(path.join(at, RECENT));
      writeFileSync(path.join(at, "tmp", path.basename(file)), "half");
    },
    again: false,
    files: 1,
  },
  {
    what: "another delivery has a name that begins alike",
    meanwhile: (at, file) => {
      rmSync(path.join(at, RECENT));
      renameSync(file, `${path.dirname(file)}/1.id-1.0.host,S=1`);
    },
    again: false,
    files: 2,
  },
];

test("a second request finds what the first one did", async (context) => {
  for (const { what, meanwhile, again, files } of laters) {
    const at = maildir(context);
    const first = new Mailbox(quickDisk, at);
    await first.deliver(letter("1.id-1.0.h"), false, NOW);
    await first.close();
    const whole = readFileSync(onlyIn(at, "new"), "utf8");
    meanwhile(at, onlyIn(at, "new"));
    const second = new Mailbox(quickDisk, at);
    assert.equal((await second.deliver(letter("1.id-1.0.h"), true, NOW)).again, again, what);
    assert.equal(namesIn(at, "new").length + namesIn(at, "cur").length, files, what);
    if (!again)
      assert.ok(
        namesIn(at, "new").some((name) => readFileSync(path.join(at, "new", name), "utf8") === whole),
        what,
      );
    assert.deepEqual(namesIn(at, "tmp"), [], what);
    assert.equal((await second.deliver(letter("1.id-1.0.h"), true, NOW)).again, true, what);
    await second.close();
  }
});

/** Every durable verb of a delivery by its place, to fail or stop there. */
const steps = [
  "create tmp",
  "write tmp",
  "sync tmp",
  "syncDirectory tmp",
  "create recent",
  "write recent",
  "rename tmp",
  "syncDirectory new",
  "sync recent",
];

function stepOf(verb: string, where: string): string {
  if (where.endsWith(RECENT)) return `${verb} recent`;
  return `${verb} ${/Maildir\/(tmp|new|cur)(\/|$)/.exec(where)?.[1] ?? "other"}`;
}

test("a delivery that fails at any step comes once, when it is asked for again", async (context) => {
  for (const step of steps) {
    const at = maildir(context);
    let hits = 0;
    const disk = diskWith((verb, where) => {
      if (stepOf(verb, where) === step && ++hits === 1) throw trouble("ENOSPC");
    });
    const mailbox = new Mailbox(disk, at);
    await assert.rejects(
      mailbox.deliver(letter("1.id-1.0.h"), false, NOW),
      { name: "Trouble", code: "ENOSPC" },
      step,
    );
    assert.equal(hits, 1, `${step} was never reached`);
    if (/(create|write|sync|syncDirectory) tmp/.test(step)) assert.deepEqual(namesIn(at, "tmp"), [], step);
    await mailbox.deliver(letter("1.id-1.0.h"), true, NOW);
    assert.equal(namesIn(at, "new").length, 1, step);
    assert.match(readFileSync(onlyIn(at, "new"), "utf8"), /hi\n$/, step);
    assert.deepEqual(namesIn(at, "tmp"), [], step);
  }
});

test("a delivery that was killed at any step comes once, even when its reader removes it", async (context) => {
  for (const step of steps) {
    const at = maildir(context);
    let hit: (() => void) | undefined;
    const stopped = new Promise<void>((resolve) => (hit = resolve));
    const disk = diskWith((verb, where) => {
      if (stepOf(verb, where) !== step) return;
      hit?.();
      return new Promise<void>(() => {});
    });
    void new Mailbox(disk, at).deliver(letter("1.id-1.0.h"), false, NOW);
    await stopped;
    const shown = namesIn(at, "new").length === 1;
    if (shown) rmSync(onlyIn(at, "new"));
    const dropped = await new Mailbox(quickDisk, at).deliver(letter("1.id-1.0.h"), true, NOW);
    assert.equal(dropped.again, shown, step);
    assert.equal(namesIn(at, "new").length, shown ? 0 : 1, step);
    assert.deepEqual(namesIn(at, "tmp"), [], step);
  }
});

test("the record is written only when the file is durable, and synced before the answer", async (context) => {
  const seen: string[] = [];
  const disk = diskWith((verb, where) => void seen.push(stepOf(verb, where)));
  const mailbox = new Mailbox(disk, maildir(context));
  await mailbox.deliver(letter("1.id-0.0.h"), false, NOW);
  seen.length = 0;
  await mailbox.deliver(letter("1.id-1.0.h"), false, NOW);
  assert.deepEqual(seen, [
    "create tmp",
    "write tmp",
    "sync tmp",
    "syncDirectory tmp",
    "write recent",
    "rename tmp",
    "syncDirectory new",
    "sync recent",
  ]);
});

test("two requests at once for the same delivery make one file", async (context) => {
  const at = maildir(context);
  const mailbox = new Mailbox(quickDisk, at);
  const results = await Promise.all([
    mailbox.deliver(letter("1.id-1.0.h"), false, NOW),
    mailbox.deliver(letter("1.id-1.0.h"), true, NOW),
    mailbox.deliver(letter("1.id-1.0.h"), false, NOW),
  ]);
  assert.deepEqual(
    results.map(({ again }) => again),
    [false, true, true],
  );
  assert.equal(namesIn(at, "new").length, 1);
  assert.equal(mailbox.busy, false);
});

test("many deliveries at once share directory syncs", async (context) => {
  let syncs = 0;
  const disk = diskWith((verb, where) => {
    if (stepOf(verb, where) === "syncDirectory new") syncs++;
  });
  const at = maildir(context);
  const mailbox = new Mailbox(disk, at);
  await Promise.all(
    Array.from({ length: 60 }, (_, n) => mailbox.deliver(letter(`1.id-${n}.0.h`), false, NOW)),
  );
  assert.equal(namesIn(at, "new").length, 60);
  assert.ok(syncs < 40, `${syncs} syncs`);
});

test("leftovers in tmp/ go after 36 hours, but not what the record promises, nor what is young", async (context) => {
  const at = maildir(context);
  mkdirSync(path.join(at, "tmp", "deleted.1.Folder"), { recursive: true });
  for (const name of ["old", "young", "1.id-1.0.h,S=1,W=1"]) writeFileSync(path.join(at, "tmp", name), "x");
  writeFileSync(path.join(at, RECENT), "1.id-1.0.h\n");
  const age = (name: string, hours: number) =>
    utimesSync(path.join(at, "tmp", name), NOW / 1000, NOW / 1000 - hours * 3600);
  age("old", 37);
  age("young", 35);
  age("1.id-1.0.h,S=1,W=1", 37);
  age("deleted.1.Folder", 37);
  await new Mailbox(quickDisk, at).deliver(letter("1.id-2.0.h"), false, NOW);
  assert.deepEqual(namesIn(at, "tmp"), ["1.id-1.0.h,S=1,W=1", "young"]);
});

test("a Maildir that was removed is made anew", async (context) => {
  const at = maildir(context);
  const mailbox = new Mailbox(quickDisk, at);
  await mailbox.deliver(letter("1.id-1.0.h"), false, NOW);
  rmSync(at, { recursive: true });
  await assert.rejects(mailbox.deliver(letter("1.id-2.0.h"), false, NOW), { code: "ENOENT" });
  await mailbox.deliver(letter("1.id-2.0.h"), true, NOW);
  assert.equal(namesIn(at, "new").length, 1);
});

test("the record is turned when full, keeps recent names, and many writers lose nothing", async (context) => {
  const at = maildir(context);
  mkdirSync(at);
  const recent = new Recent(quickDisk, at);
  const base = (n: number) => `1700000000.0123456789abcdef-${n}.0.mail.example.org`;
  const each = base(0).length + 1;
  const count = Math.ceil((1.9 * RECENT_FULL) / each);
  for (let first = 0; first < count; first += 50) {
    await Promise.all(Array.from({ length: 50 }, async (_, n) => (await recent.add(base(first + n)))()));
  }
  assert.ok(existsSync(path.join(at, RECENT_OLD)));
  for (const file of [RECENT, RECENT_OLD])
    assert.ok(statSync(path.join(at, file)).size < RECENT_FULL + 100 * each);
  for (let n = 0; n < count; n++) assert.ok(await recent.has(base(n)), base(n));
  assert.equal(await recent.has("1700000000.0123456789abcdef-1"), false);
  assert.equal(await recent.has(base(0).slice(1)), false);
  await recent.close();
});

test("a line that a crash or a full disk cut short spoils no other line", async (context) => {
  const at = maildir(context);
  mkdirSync(at);
  writeFileSync(path.join(at, RECENT), "1.id-1.0.h\n1.id-2.0");
  const recent = new Recent(quickDisk, at);
  await (await recent.add("1.id-3.0.h"))();
  writeFileSync(path.join(at, RECENT_OLD), "\0\0\x001.id-4.0.h\n");
  for (const [name, there] of [
    ["1.id-1.0.h", true],
    ["1.id-2.0.h", false],
    ["1.id-3.0.h", true],
    ["1.id-4.0.h", true],
  ] as const)
    assert.equal(await recent.has(name), there, name);
});
