import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { systemClock } from "#base/clock.ts";
import { type LockOptions, openToAppend } from "#sys/appendfile.ts";
import { temporaryDirectory as temporary } from "#test/support/temporary.ts";
import { appendToMbox, Unreadable } from "./append.ts";

const waiting: LockOptions = { clock: systemClock, patience: 1000, stale: 100_000 };

const letter = (text: string) => ({
  head: Buffer.from("From x\n"),
  async *chunks() {
    yield Buffer.from(text);
  },
});

async function append(file: string, text: string, options = waiting): Promise<"held" | "done"> {
  const opened = await openToAppend(file, options);
  if (opened === "held") return "held";
  try {
    await appendToMbox(opened, letter(text));
    return "done";
  } finally {
    await opened.close();
  }
}

const place = (context: TestContext) => path.join(temporary(context), "box");

test("messages follow each other, quoted, and the locks are gone", async (context) => {
  const box = place(context);
  assert.equal(await append(box, "a\n\nFrom b"), "done");
  assert.equal(await append(box, "c\n"), "done");
  assert.equal(fs.readFileSync(box, "utf8"), "From x\na\n\n>From b\n\nFrom x\nc\n\n");
  assert.equal(fs.statSync(box).mode & 0o777, 0o600);
  assert.deepEqual(fs.readdirSync(path.dirname(box)), ["box"]);
});

test("whoever has FILE.lock is waited for, but not one who died", async (context) => {
  const box = place(context);
  const lock = `${box}.lock`;
  fs.writeFileSync(lock, "0");
  assert.equal(await append(box, "a\n"), "held");
  assert.equal(fs.existsSync(box), false);
  setTimeout(() => fs.rmSync(lock), 300);
  assert.equal(await append(box, "a\n", { ...waiting, patience: 20_000 }), "done");
  fs.writeFileSync(lock, "0");
  const old = Date.now() / 1000 - 1000;
  fs.utimesSync(lock, old, old);
  assert.equal(await append(box, "b\n", { ...waiting, stale: 900_000 }), "done");
  // one of ours, whose process was ended
  fs.writeFileSync(lock, `0 kenro ${process.getuid?.()}\n`);
  assert.equal(await append(box, "c\n"), "done");
  assert.equal(fs.existsSync(lock), false);
});

test("whoever has flock(2) is waited for, and has it not while we write", async (context) => {
  const box = place(context);
  fs.writeFileSync(box, "");
  const holder = spawn("flock", [box, "sh", "-c", "echo held; read line"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  context.after(() => holder.kill());
  await new Promise((resolve) => holder.stdout.once("data", resolve));
  assert.equal(await append(box, "a\n"), "held");
  assert.equal(fs.readFileSync(box, "utf8"), "");
  holder.stdin.end("\n");
  assert.equal(await append(box, "a\n", { ...waiting, patience: 20_000 }), "done");
  const opened = await openToAppend(box, waiting);
  assert.ok(opened !== "held");
  const tried = await new Promise((resolve) => {
    spawn("flock", ["-n", box, "true"]).on("exit", resolve);
  });
  assert.equal(tried, 1);
  await opened.close();
});

test("a message that cannot be read, or written, leaves the file as it was", async (context) => {
  const box = place(context);
  await append(box, "a\n");
  const before = fs.readFileSync(box, "utf8");
  const opened = await openToAppend(box, waiting);
  assert.ok(opened !== "held");
  const unreadable = {
    head: Buffer.from("From x\n"),
    async *chunks() {
      yield Buffer.from("half");
      throw new Error("the spool is away");
    },
  };
  await assert.rejects(appendToMbox(opened, unreadable), Unreadable);
  assert.equal(fs.readFileSync(box, "utf8"), before);
  const full = { ...opened, sync: () => Promise.reject(new Error("no room")) };
  await assert.rejects(appendToMbox(full, letter("b\n")), /no room/);
  assert.equal(fs.readFileSync(box, "utf8"), before);
  await opened.close();
});

test("devices are written to; pipes that nobody reads, and directories, are trouble at once", async (context) => {
  assert.equal(await append("/dev/null", "a\n"), "done");
  assert.equal(fs.existsSync("/dev/null.lock"), false);
  const directory = temporary(context);
  await assert.rejects(append(directory, "a\n"), { code: "EISDIR" });
  await assert.rejects(append(path.join(directory, "none/box"), "a\n"), { code: "ENOENT" });
});
