import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import test, { type TestContext } from "node:test";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Logger } from "#log/logger.ts";
import { Recent } from "#store/maildir/recent.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { mayBecomeOthers, mayMakeNamespaces } from "#sys/userchild.ts";
import type { ProgramRun } from "#talk/lspawn.ts";
import { temporaryDirectory } from "#test/support/temporary.ts";
import { Programs } from "./programs.ts";

const question: ProgramRun = {
  account: "ann@a.test",
  id: "abc-1",
  index: 0,
  key: "0123456789abcdef.0",
  again: false,
  body: "7bit",
  place: { kind: "file", name: "abc-1", size: 1 },
  command: "true",
  variables: [["USER", "ann@a.test"]],
};

function programs(context: TestContext, numbers: readonly number[]): Programs {
  const place = temporaryDirectory(context);
  const record = new Recent(quickDisk, place);
  context.after(() => record.close());
  const bounds = { memory: 500_000_000, processes: 50, fileSize: 1_000_000, cpu: 10 };
  return new Programs({
    clock: systemClock,
    log: new Logger({ role: "lspawn", clock: systemClock, level: "info", sink: () => {} }),
    slice: () => ({
      log: "info",
      hostname: "mx.a.test",
      domain: "a.test",
      assign: "",
      passwd: "",
      alias: "alias",
      otherwise: "./Maildir/",
      workers: 1,
      idle: 100,
      time: 10_000,
      programs: numbers,
      bounds,
    }),
    record,
    openBody: async () => ({
      size: 4,
      whole: undefined,
      async *chunks() {
        yield Buffer.from("a\r\n");
        yield Buffer.from("\r\nb");
      },
      close: async () => {},
    }),
    searchPath: "/usr/bin:/bin",
  });
}

/** Namespaces are for root only. */
function possible(context: TestContext): boolean {
  const may = mayBecomeOthers() && mayMakeNamespaces();
  if (!may) context.skip("run this as root, where namespaces can be made");
  return may;
}

test("without numbers there are no programs", async (context) => {
  const { end, report } = await programs(context, []).run(question);
  assert.deepEqual([end, report], ["deferred", "Programs are not allowed for accounts here. (#4.7.0)"]);
});

test("a program is alone under its number, sees the message, and is not run again when it is done", async (context) => {
  if (!possible(context)) return;
  const run = programs(context, [39_101]);
  const spy =
    "id -u; id -g; id -G; cat; echo; echo $USER; ls -A /tmp /var/tmp /dev/shm; ls /proc | grep -c '^[0-9]'";
  const { end, report } = await run.run({ ...question, command: spy });
  assert.equal(end, "done");
  const lines = report.trimEnd().split("\n");
  assert.deepEqual(lines.slice(0, 7), ["39101", "39101", "39101", "a", "", "b", "ann@a.test"]);
  assert.ok(Number(lines.at(-1)) < 6, report);
  // by the key, whatever the command is
  assert.deepEqual(await run.run({ ...question, command: "exit 1", again: true }), {
    end: "done",
    report: "",
  });
  assert.equal(
    (await run.run({ ...question, command: "exit 1", key: "0123456789abcdef.1", again: true })).end,
    "deferred",
  );
  const stop = { ...question, key: "ffffffffffffffff.0", command: "exit 99" };
  assert.equal((await run.run(stop)).end, "stop");
  assert.deepEqual(await run.run({ ...stop, command: "exit 1", again: true }), { end: "stop", report: "" });
  assert.equal(
    (await run.run({ ...question, command: "exit 100", key: "eeeeeeeeeeeeeeee.0" })).end,
    "failed",
  );
});

test("of one account only some run or wait, others have their turn, and nothing is left of what has ended", async (context) => {
  if (!possible(context)) return;
  const run = programs(context, [39_111, 39_112]);
  const at = `/tmp/kenro-left-${process.pid}`;
  const ann = Array.from({ length: limits.lspawn.programsOfAccount + 2 }, (_, index) =>
    run.run({ ...question, index, command: `(setsid sleep 100 &) ; touch ${at}; sleep 0.3; id -u` }),
  );
  const bob = run.run({ ...question, account: "bob@a.test", command: "id -u" });
  const ends = (await Promise.all(ann)).map(({ end }) => end);
  assert.deepEqual(ends, ["done", "done", "done", "deferred", "deferred"]);
  assert.equal((await bob).end, "done");
  assert.equal(fs.existsSync(at), false);
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-u", "39111,39112"], { encoding: "utf8" });
  // zombies that nobody has buried do no harm
  const left = stdout.split("\n").filter((state) => state !== "" && !state.startsWith("Z"));
  assert.deepEqual(left, []);
});
