// Workers as real processes of this user: good ones, and ones that their user has taken over.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Logger } from "#log/logger.ts";
import { Recent } from "#store/maildir/recent.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { mayBecomeOthers } from "#sys/userchild.ts";
import type { SystemDelivery } from "#talk/lspawn.ts";
import type { WorkerResult } from "#talk/worker.ts";
import { temporaryDirectory } from "#test/support/temporary.ts";
import type { SystemUser } from "#wire/dotqmail/assign.ts";
import { Lspawn } from "./lspawn.ts";
import { WorkerProcess } from "./workerprocess.ts";
import { Workers } from "./workers.ts";

const NODE = [process.execPath, "--disable-warning=ExperimentalWarning"];
const WORKER = path.join(import.meta.dirname, "worker.ts");

/** As root somebody else, for nothing is delivered as root. */
const uid = mayBecomeOthers() ? 39_001 : (process.getuid?.() ?? 0);

const slice = {
  log: "info",
  hostname: "mx.a.test",
  domain: "a.test",
  assign: "",
  passwd: "",
  alias: "alias",
  otherwise: "./Mailbox",
  workers: 2,
  idle: 300,
  time: 10_000,
  programs: [],
  bounds: { memory: 1_000_000_000, processes: 1000, fileSize: 1_000_000_000, cpu: 60 },
} as const;

const delivery: SystemDelivery = {
  id: "abc-1",
  arrived: 1_700_000_000_000,
  index: 0,
  sender: "s@x.test",
  body: "7bit",
  again: false,
  place: { kind: "file", name: "abc-1", size: 1 },
  local: "joe",
  host: "a.test",
};

/** lspawn with one user, whose worker is this program. */
function world(context: TestContext, command: readonly string[] = [...NODE, WORKER]) {
  const place = temporaryDirectory(context);
  fs.chmodSync(place, 0o755);
  const home = path.join(place, "home");
  fs.mkdirSync(home, { mode: 0o700 });
  if (mayBecomeOthers()) fs.chownSync(home, uid, uid);
  const started: WorkerProcess[] = [];
  const lines: string[] = [];
  const workers = new Workers({
    clock: systemClock,
    bounds: () => slice,
    start: (identity) => {
      const made = new WorkerProcess(systemClock, identity, command);
      started.push(made);
      return made;
    },
  });
  context.after(() => workers.stop());
  const user = (local: string): SystemUser => ({
    user: local,
    uid: local === "root" ? 0 : uid + Number(/\d$/.exec(local)?.[0] ?? 0),
    gid: uid,
    home,
    dash: local.includes("-") ? "-" : "",
    extension: local.replace(/^[^-]*-?/, ""),
  });
  const record = new Recent(quickDisk, place);
  context.after(() => record.close());
  const body = Buffer.from("Subject: x\r\n\r\nhi\r\n");
  const lspawn = new Lspawn({
    log: new Logger({ role: "lspawn", clock: systemClock, level: "info", sink: (line) => lines.push(line) }),
    slice: () => slice,
    users: () => ({ find: async (local: string) => (local === "nobody" ? undefined : user(local)) }),
    looks: { hasFile: async ({ extension }: SystemUser) => extension === "list" },
    workers,
    record,
    openBody: async () => ({
      size: body.length,
      whole: body,
      async *chunks() {
        yield body;
      },
      close: async () => {},
    }),
    searchPath: "/usr/bin:/bin",
  });
  const write = (text: string) => fs.writeFileSync(path.join(home, ".qmail"), text, { mode: 0o644 });
  return { lspawn, home, write, started, record, lines };
}

test("existence: a user, an extension with a file, nobody", async (context) => {
  const { lspawn } = world(context);
  for (const [local, kind] of [
    ["joe", "deliverable"],
    ["joe-list", "deliverable"],
    ["joe-other", "unknown"],
    ["nobody", "unknown"],
  ] as const)
    assert.deepEqual(await lspawn.exists(local), { kind }, local);
  await assert.rejects(lspawn.exists("root"), /as root/);
});

test("one worker makes deliveries after each other, and ends when it is idle", async (context) => {
  const { lspawn, home, write, started, record } = world(context);
  const three = await Promise.all([0, 1, 2].map((index) => lspawn.deliver({ ...delivery, index })));
  assert.deepEqual(
    three,
    [0, 1, 2].map(() => ({ kind: "delivered", by: "did 1+0+0" })),
  );
  assert.equal(started.length, 1);
  assert.equal(fs.readFileSync(path.join(home, "Mailbox"), "utf8").split("From s@x.test").length, 4);
  assert.equal(fs.statSync(path.join(home, "Mailbox")).uid, uid);
  await started[0]?.ended;
  // the record says what is done; a key of another delivery does not count
  assert.equal((await record.behind("abc-1.0.")).length, 1);
  assert.deepEqual(await lspawn.deliver({ ...delivery, again: true }), {
    kind: "delivered",
    by: "did 1+0+0",
  });
  assert.equal(fs.readFileSync(path.join(home, "Mailbox"), "utf8").split("From s@x.test").length, 4);
  assert.equal(started.length, 2);
  write("&bob\n&c@x.test\n&bob@a.test\n");
  fs.writeFileSync(path.join(home, ".qmail-owner"), "");
  assert.deepEqual(await lspawn.deliver(delivery), {
    kind: "forwarded",
    by: "did 0+3+0",
    letter: {
      recipients: ["bob@a.test", "c@x.test"],
      prefix: "Delivered-To: joe@a.test\r\n",
      sender: "joe-owner@a.test",
    },
  });
  assert.equal((await lspawn.deliver({ ...delivery, local: "nobody" })).kind, "failed");
  assert.equal((await lspawn.deliver({ ...delivery, local: "root" })).kind, "deferred");
  assert.deepEqual(await lspawn.deliver({ ...delivery, local: "" }), { kind: "delivered", by: "nobody's" });
});

test("more messages of one user than may wait are put off", async (context) => {
  const { lspawn, write } = world(context);
  write("|sleep 0.2\n");
  const many = await Promise.all(
    Array.from({ length: limits.lspawn.waiting + 3 }, (_, index) => lspawn.deliver({ ...delivery, index })),
  );
  const kinds = many.map(({ kind }) => kind);
  assert.deepEqual(kinds, [
    ...Array.from({ length: limits.lspawn.waiting + 1 }, () => "delivered"),
    "deferred",
    "deferred",
  ]);
});

test("no more workers than there may be: an idle one makes room, and who finds none waits", async (context) => {
  if (!mayBecomeOthers()) return context.skip("run this as root");
  const { lspawn, started } = world(context);
  let alive = 0;
  let most = 0;
  const watch = setInterval(() => {
    alive = started.filter(({ usable }) => usable).length;
    most = Math.max(most, alive);
  }, 5);
  const locals = ["joe0", "joe1", "joe2", "joe3", "joe0", "joe3"];
  const outcomes = await Promise.all(
    locals.map((local, index) => lspawn.deliver({ ...delivery, local, index })),
  );
  clearInterval(watch);
  // the home belongs to the first of them
  assert.deepEqual(
    outcomes.map(({ kind }) => kind),
    locals.map((local) => (local === "joe0" ? "delivered" : "deferred")),
  );
  for (const outcome of outcomes)
    if (outcome.kind === "deferred")
      assert.match(outcome.why.text, /^Unable to switch to .*: permission denied/);
  assert.equal(most, 2);
  assert.ok(started.length >= 4);
});

/** Frames, as a worker that has been taken over may write them: kind, stream, payload. */
const taken = (...frames: readonly (readonly [number, number, unknown])[]): readonly string[] => [
  ...NODE,
  "-e",
  `const net = require("node:net");
  const link = new net.Socket({ fd: 3 });
  const frame = (kind, stream, payload) => {
    const body = Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload));
    const head = Buffer.alloc(9);
    head.writeUInt32BE(5 + body.length, 0);
    head[4] = kind;
    head.writeUInt32BE(stream, 5);
    link.write(Buffer.concat([head, body]));
  };
  frame(0, 0, { version: 1 });
  link.once("data", () => setTimeout(() => {
    for (const each of ${JSON.stringify(frames)}) frame(...each);
  }, 100));
  link.on("error", () => {});`,
];

const done = (over: object): WorkerResult =>
  ({ kind: "done", report: "", forwards: [], owner: "none", ...over }) as WorkerResult;

for (const [what, frames] of [
  ["garbage", [[6, 1, "{"]]],
  ["a kind that there is not", [[9, 1, ""]]],
  ["a message that is not under way", [[6, 2, done({})]]],
  ["a key of another delivery", [[4, 1, { key: "abc-1.1.0123456789abcdef.0" }]]],
  ["a key with a line end", [[4, 1, { key: "0123456789abcdef.0\nabc-1.1.0123456789abcdef.0" }]]],
  ["a report without end", [[6, 1, done({ report: "x".repeat(100_000) })]]],
  ["an address with a line end", [[6, 1, done({ forwards: ["a@x.test\r\nX: y"] })]]],
  ["an outcome that there is not", [[6, 1, { kind: "forwarded", by: "", letter: {} }]]],
] as const)
  test(`a worker that says ${what} is not believed, and harms its own message only`, async (context) => {
    const { lspawn, record } = world(context, taken(...frames));
    const outcome = await lspawn.deliver(delivery);
    assert.equal(outcome.kind, "deferred");
    assert.deepEqual(await record.behind(""), []);
  });

test("a worker says who gets a message, not in whose name and with which first line", async (context) => {
  const lie = done({ forwards: ["a@x.test"], owner: "owner", sender: "ceo@x.test", prefix: "X: y\r\n" });
  const { lspawn } = world(context, taken([6, 1, lie]));
  assert.deepEqual(await lspawn.deliver(delivery), {
    kind: "forwarded",
    by: "",
    letter: {
      recipients: ["a@x.test"],
      prefix: "Delivered-To: joe@a.test\r\n",
      sender: "joe-owner@a.test",
    },
  });
});

test("a worker that cannot start, or dies, defers", async (context) => {
  for (const command of [["/not/there"], [...NODE, "-e", "process.exit(3)"]]) {
    const { lspawn, lines } = world(context, command);
    assert.equal((await lspawn.deliver(delivery)).kind, "deferred");
    assert.ok(
      lines.some((line) => line.includes("The worker ended")),
      lines.join("\n"),
    );
  }
});
