import assert from "node:assert/strict";
// biome-ignore lint/style/noRestrictedImports: what is read here are real files
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { limits } from "#base/limits.ts";
import { type Disk, realDisk } from "#sys/disk.ts";
import { FakeClock } from "#test/support/clock.ts";
import { compileRules } from "./compile.ts";
import { RulesFile, type RulesState } from "./file.ts";
import { judgeClient } from "./match.ts";

interface Place {
  readonly path: string;
  readonly file: RulesFile;
  readonly clock: FakeClock;
  /** Calls of openRead(). */
  reads(): number;
  write(text: string | Buffer): void;
}

/** A rules file; `disk` stands before the real disk. */
function place(context: TestContext, disk: Partial<Disk> = {}, start = Date.now() + 60_000): Place {
  const directory = fs.mkdtempSync(path.join(tmpdir(), "kenro-rules-"));
  context.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  const at = path.join(directory, "smtp");
  const clock = new FakeClock(start);
  let opened = 0;
  const counting: Disk = {
    ...realDisk,
    openRead: (name) => {
      opened++;
      return realDisk.openRead(name);
    },
    ...disk,
  };
  return {
    path: at,
    file: new RulesFile({ path: at, strict: true, disk: counting, clock }),
    clock,
    reads: () => opened,
    write: (text) => fs.writeFileSync(at, text),
  };
}

/** The verdict for 1.2.3.4, and how many problems there are. */
function seen({ rules, problems }: RulesState): string {
  if (!rules) return `none, ${problems.length}`;
  const judgement = judgeClient(rules, { address: "1.2.3.4" });
  assert.ok(judgement.ok);
  return `${judgement.value.verdict}, ${problems.length}`;
}

const compiled = (text: string): Buffer =>
  compileRules(Buffer.from(text), true).compiled?.cdb ?? Buffer.alloc(0);

test("a file is read again when it changes, and only then; text and compiled alike", async (context) => {
  const { file, write, reads, path: at } = place(context);
  write("1.2.3.4:deny\n");
  const first = await file.current();
  assert.equal(seen(first), "deny, 0");
  assert.equal(await file.current(), first);
  assert.equal(reads(), 1);
  write("1.2.3.4:allow\n");
  assert.equal(seen(await file.current()), "allow, 0");
  fs.writeFileSync(`${at}.new`, compiled("1.2.3.4:deny"));
  fs.renameSync(`${at}.new`, at);
  const last = await file.current();
  assert.equal(seen(last), "deny, 0");
  assert.equal(last.rules?.origin, "compiled");
  assert.equal(await file.current(), last);
  assert.equal(reads(), 3);
});

test("another file of the same size and time is another file", async (context) => {
  const { file, write, path: at } = place(context);
  const time = new Date(Date.UTC(2020, 0, 1));
  write("1.2.3.4:deny \n");
  fs.utimesSync(at, time, time);
  assert.equal(seen(await file.current()), "deny, 0");
  fs.writeFileSync(`${at}.new`, "1.2.3.4:allow\n");
  fs.utimesSync(`${at}.new`, time, time);
  fs.renameSync(`${at}.new`, at);
  assert.equal(seen(await file.current()), "allow, 0");
  // in place, with the times set back
  write("1.2.3.4:deny \n");
  fs.utimesSync(at, time, time);
  assert.equal(seen(await file.current()), "deny, 0");
});

test("a bad file never replaces a good one, and says all that is wrong with it", async (context) => {
  const { file, write, path: at } = place(context);
  write("1.2.3.4:deny\n");
  assert.equal(seen(await file.current()), "deny, 0");
  write("1.2.3.4\n1.2.3:deny\n:alow\n");
  const bad = await file.current();
  assert.equal(seen(bad), "deny, 3");
  assert.match(bad.problems[0] ?? "", /^Line 1 of smtp: /);
  assert.equal(await file.current(), bad, "said once");
  for (const [name, make, expected] of [
    ["removed", () => fs.rmSync(at), /^Cannot use smtp: it does not exist$/],
    ["a directory", () => fs.mkdirSync(at), /^Cannot use smtp: it is not a file$/],
    [
      "a device",
      () => {
        fs.rmdirSync(at);
        fs.symlinkSync("/dev/zero", at);
      },
      /^Cannot use smtp: it is not a file$/,
    ],
    [
      "a damaged cdb",
      () => {
        fs.rmSync(at);
        write(compiled("1.2.3.4:allow").subarray(0, 2060));
      },
      /^Cannot use smtp: it is damaged: /,
    ],
    [
      "too long",
      () => fs.truncateSync(at, limits.rules.compiled + 1),
      /^Cannot use smtp: it is longer than /,
    ],
  ] as const) {
    make();
    const state = await file.current();
    assert.equal(seen(state), "deny, 1", name);
    assert.match(state.problems[0] ?? "", expected);
    assert.equal(await file.current(), state, name);
  }
  write("1.2.3.4:allow\n");
  assert.equal(seen(await file.current()), "allow, 0");
});

test("a file that was bad from the start gives no rules until it is good", async (context) => {
  const { file, write } = place(context);
  assert.equal(seen(await file.current()), "none, 1");
  write("nonsense");
  assert.equal(seen(await file.current()), "none, 1");
  write("");
  assert.equal(seen(await file.current()), "allow, 0");
});

test("a file that comes back as it was is good again", async (context) => {
  const { file, write, path: at } = place(context);
  write("1.2.3.4:deny\n");
  const first = await file.current();
  fs.renameSync(at, `${at}.away`);
  assert.equal(seen(await file.current()), "deny, 1");
  fs.renameSync(`${at}.away`, at);
  assert.equal(await file.current(), first);
});

test("a file that cannot be read keeps what was, and is tried again", async (context) => {
  let broken = false;
  const { file, write } = place(context, {
    stat: async (name) => {
      if (broken) await realDisk.list("/proc/self/environ/x");
      return realDisk.stat(name);
    },
  });
  write("1.2.3.4:deny\n");
  const first = await file.current();
  broken = true;
  const state = await file.current();
  assert.equal(seen(state), "deny, 1");
  assert.match(state.problems[0] ?? "", /^Cannot list /);
  assert.equal(await file.current(), state);
  broken = false;
  assert.equal(await file.current(), first);
});

test("a file that changes while it is read is read again, but not for ever", async (context) => {
  let changes = 0;
  const it = place(context, {
    openRead: async (name) => {
      const opened = await realDisk.openRead(name);
      if (changes-- > 0) fs.writeFileSync(name, `1.2.3.4:allow\n#${"x".repeat(changes)}\n`);
      return opened;
    },
  });
  it.write("1.2.3.4:deny\n");
  assert.equal(seen(await it.file.current()), "deny, 0");
  changes = 2;
  it.write("1.2.3.4:deny\n ");
  assert.equal(seen(await it.file.current()), "allow, 0");
  changes = 100;
  it.write("1.2.3.4:deny\n  ");
  const state = await it.file.current();
  assert.equal(seen(state), "allow, 1");
  assert.match(state.problems[0] ?? "", /changes while it is read/);
  changes = 0;
  assert.equal(seen(await it.file.current()), "allow, 0");
});

test("a file read just after it changed is read once more, in case its stamp did not show a later change", async (context) => {
  const { file, write, clock, reads } = place(
    context,
    {
      // a file system whose stamps do not move on
      stat: async (name) => {
        const found = await realDisk.stat(name);
        return found && { ...found, mtimeMs: 1000, changedMs: 1000 };
      },
    },
    1500,
  );
  write("1.2.3.4:deny \n");
  assert.equal(seen(await file.current()), "deny, 0");
  write("1.2.3.4:allow\n");
  assert.equal(seen(await file.current()), "deny, 0");
  await clock.advance(limits.rules.settle);
  const state = await file.current();
  assert.equal(seen(state), "allow, 0");
  await clock.advance(10 * limits.rules.settle);
  assert.equal(await file.current(), state);
  assert.equal(reads(), 2);
});

test("stamps from the clock of another machine cost one more reading, not one for each time", async (context) => {
  const future = Date.UTC(2100, 0, 1);
  const { file, write, clock, reads } = place(context, {
    stat: async (name) => {
      const found = await realDisk.stat(name);
      return found && { ...found, mtimeMs: future, changedMs: future };
    },
  });
  write("1.2.3.4:deny\n");
  for (let n = 0; n < 10; n++) {
    assert.equal(seen(await file.current()), "deny, 0");
    await clock.advance(limits.rules.settle);
  }
  assert.equal(reads(), 2);
});

test("another file under the name is read, whatever its times say", async (context) => {
  const {
    file,
    write,
    path: at,
  } = place(context, {
    stat: async (name) => {
      const found = await realDisk.stat(name);
      return found && { ...found, mtimeMs: 1000, changedMs: 1000 };
    },
  });
  write("1.2.3.4:deny \n");
  assert.equal(seen(await file.current()), "deny, 0");
  fs.writeFileSync(`${at}.new`, "1.2.3.4:allow\n");
  fs.renameSync(`${at}.new`, at);
  assert.equal(seen(await file.current()), "allow, 0");
});

test("many who ask at once cost one look", async (context) => {
  const { file, write, reads } = place(context);
  write("1.2.3.4:deny\n");
  const states = await Promise.all(Array.from({ length: 100 }, () => file.current()));
  assert.equal(new Set(states).size, 1);
  assert.equal(reads(), 1);
});
