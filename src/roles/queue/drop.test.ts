// The drop directory as the queue takes it: once, whatever ends when, and nothing that is no message (docs/drop.md).

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { Logger } from "#log/logger.ts";
import { type DropHead, dropId } from "#store/drop/file.ts";
import { isCrowded, readSettings, writeDrop } from "#store/drop/write.ts";
import { type Disk, realDisk } from "#sys/disk.ts";
import { deferred, QueueWorld } from "#test/support/queueworld.ts";
import { Drop } from "./drop.ts";
import type { Queue } from "./queue.ts";

const head: DropHead = { sender: "ann@here.test", body: "7bit", recipients: [{ address: "bob@here.test" }] };
const body = Buffer.from("Subject: x\r\n\r\nhello\r\n");

class DropWorld extends QueueWorld {
  constructor(context: TestContext, disk: Disk = realDisk) {
    super(context, disk);
    for (const name of ["", "/new", "/aside"]) fs.mkdirSync(this.at(name));
  }

  at(name: string): string {
    return path.join(this.directory, `drop${name}`);
  }

  drop(disk: Disk = this.disk, slice = () => this.slice): Drop {
    return new Drop({
      clock: this.clock,
      disk,
      log: new Logger({
        role: "queue",
        clock: this.clock,
        level: "info",
        sink: (line) => this.lines.push(line),
      }),
      slice,
      directory: this.directory,
    });
  }

  async write(message: Buffer = body, more: Partial<DropHead> = {}): Promise<void> {
    await writeDrop(this.directory, { ...head, ...more }, message);
  }

  get left(): readonly string[] {
    return fs.readdirSync(this.at("/new"));
  }
}

/** Waits for what must come. */
async function until(what: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !what(); tries++)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(what(), String(what));
}

const stop = async (queue: Queue) => queue.stop(100);

test("a message that lies there is delivered once, with the user who wrote it in front, and its file is gone before", async (context) => {
  const world = new DropWorld(context);
  await world.serve();
  const leftAtDelivery: number[] = [];
  world.local = () => {
    leftAtDelivery.push(world.left.length);
    return { kind: "delivered", by: "test" };
  };
  await world.write();
  const queue = await world.open({ drop: world.drop() });
  await until(() => world.attempts.length === 1);
  assert.match(
    world.attempts[0]?.body ?? "",
    /^Received: by mx\.here\.test \(from userid \d+\)\r\n\tid drop-[0-9a-z-]+;\r\n\t.*\r\nSubject: x\r\n/,
  );
  assert.match(world.attempts[0]?.body ?? "", new RegExp(`userid ${process.getuid?.()}\\)`));
  assert.deepEqual(leftAtDelivery, [0]);
  // and while it runs
  await world.write(Buffer.from("Subject: second\r\n\r\n"));
  await until(() => world.attempts.length === 2);
  // larger than what the journal holds
  await world.write(Buffer.concat([body, Buffer.alloc(300_000, "x\r\n")]));
  await until(() => world.attempts.length === 3);
  assert.equal(world.attempts[2]?.body.endsWith("x\r\n"), true);
  await stop(queue);
});

test("D3: a file whose message is in the journal already is removed at the start, and the message tried once", async (context) => {
  const world = new DropWorld(context);
  await world.serve();
  world.local = () => deferred();
  await world.write();
  const [name = ""] = world.left;
  // a disk on which nothing of the drop can be removed: as if the queue had been killed in between
  const stuck: Disk = { ...realDisk, remove: () => new Promise(() => {}) };
  const first = await world.open({ drop: world.drop(stuck) });
  await until(() => first.entries.size === 1);
  const [entry] = first.entries.all();
  assert.equal(entry?.id, dropId(name, fs.statSync(path.join(world.at("/new"), name))));
  assert.deepEqual(
    [world.left, world.attempts.length],
    [[name], 0],
    "it is not tried while the file is there",
  );
  await Promise.race([stop(first), new Promise((resolve) => setTimeout(resolve, 300))]);
  world.hangUp();
  const second = await world.open({ drop: world.drop() });
  assert.deepEqual(world.left, []);
  await until(() => world.attempts.length === 1);
  assert.equal(second.entries.size, 1);
  await stop(second);
});

test("a message that its owner cuts short while it is taken is none", async (context) => {
  const world = new DropWorld(context);
  await world.serve();
  await world.write();
  const [name = ""] = world.left;
  // asked for between the first line and the rest
  const cutting = () => {
    if (world.left.includes(name)) fs.truncateSync(path.join(world.at("/new"), name), 60);
    return world.slice;
  };
  const queue = await world.open({ drop: world.drop(world.disk, cutting) });
  await until(() => world.lines.some((line) => line.includes("queue_drop_aside")));
  assert.match(world.lines.join("\n"), /queue_drop_aside .*text="It became shorter" done=moved/);
  assert.equal(world.attempts.length, 0);
  await stop(queue);
});

test("what is no message is set aside with a line in the log, and messages beside it arrive", async (context) => {
  const world = new DropWorld(context);
  await world.serve();
  const fresh = world.at("/new");
  const name = (letter: string) => letter.repeat(32);
  const garbage: Readonly<Record<string, string>> = {
    [name("0")]: "",
    [name("1")]: "kenro-drop 1 3 5\nxyz",
    [name("2")]: "kenro-drop 1 3 5\n{}xhello",
    [name("3")]: "kenro-drop 1 9999999 1\n",
    [name("4")]: 'kenro-drop 1 37 0\n{"sender":"","body":"7bit","to":"bob"}'.padEnd(55),
    hello: "hello",
  };
  for (const [file, text] of Object.entries(garbage)) fs.writeFileSync(path.join(fresh, file), text);
  await world.write(body, { recipients: [{ address: "a\r\nb@x.test" }] });
  await world.write(body, { recipients: [] });
  await world.write(Buffer.alloc(1_000_001));
  fs.symlinkSync("/etc/passwd", path.join(fresh, name("5")));
  fs.mkdirSync(path.join(fresh, name("6")));
  fs.writeFileSync(path.join(world.directory, "other"), "kenro");
  fs.linkSync(path.join(world.directory, "other"), path.join(fresh, name("7")));
  await world.write();
  const queue = await world.open({ drop: world.drop() });
  await until(() => world.attempts.length === 1);
  await until(() => world.left.length === 1);
  assert.deepEqual(world.left, [name("6")], "a directory cannot be taken away");
  assert.equal(fs.readdirSync(world.at("/aside")).length, 10);
  const told = world.lines.filter((line) => line.includes("queue_drop_aside"));
  assert.equal(told.length, 12);
  assert.equal(told.filter((line) => line.includes("done=removed")).length, 1, "the symbolic link");
  assert.equal(world.attempts.length, 1);
  await stop(queue);
});

test("while the disk is full everything stays where it is", async (context) => {
  const world = new DropWorld(context, { ...realDisk, free: async () => 0 });
  world.slice = { ...world.slice, freeSpace: 1 };
  await world.serve();
  await world.write();
  const queue = await world.open({ drop: world.drop() });
  await until(() => world.lines.some((line) => line.includes("queue_refused")));
  await stop(queue);
  assert.deepEqual([world.left.length, world.attempts.length], [1, 0]);
});

test("drafts of programs that died go after a day, and not before", async (context) => {
  const world = new DropWorld(context);
  await world.serve();
  const draft = path.join(world.at("/new"), `t${"0".repeat(32)}`);
  fs.writeFileSync(draft, "x");
  const first = await world.open({ drop: world.drop() });
  await world.write();
  await until(() => world.attempts.length === 1);
  await stop(first);
  assert.equal(fs.existsSync(draft), true);
  const later = { ...world.clock, now: () => Date.now() + 25 * 3_600_000 };
  const drop = new Drop({
    clock: later,
    disk: realDisk,
    log: new Logger({ role: "queue", clock: later, level: "info", sink: () => {} }),
    slice: () => world.slice,
    directory: world.directory,
  });
  const second = await world.open({ drop });
  await until(() => !fs.existsSync(draft));
  await stop(second);
});

test("publish() tells every user what he must know", async (context) => {
  const world = new DropWorld(context);
  await world.drop().publish();
  assert.equal(fs.statSync(world.at("/settings")).mode & 0o777, 0o644);
  const told = await readSettings(world.directory);
  assert.deepEqual(told, {
    hostname: "mx.here.test",
    domain: "here.test",
    defaultDomain: "here.test",
    plusDomain: "test",
    maxSize: 1_000_000,
  });
  assert.equal(await readSettings("/nowhere"), undefined);
});

test("isCrowded() counts the messages of one user", async (context) => {
  const world = new DropWorld(context);
  const uid = process.getuid?.() ?? 0;
  for (let count = 0; count < 3; count++) await world.write();
  assert.equal(await isCrowded(world.directory, uid, 4), false);
  assert.equal(await isCrowded(world.directory, uid, 3), true);
  assert.equal(await isCrowded(world.directory, uid + 1, 3), false);
});

test("writeDrop() leaves nothing when it fails, and a file that only its reader may read when it does not", async (context) => {
  const world = new DropWorld(context);
  const mask = process.umask(0o077);
  await world.write().finally(() => process.umask(mask));
  const [name = ""] = world.left;
  assert.equal(fs.statSync(path.join(world.at("/new"), name)).mode & 0o777, 0o640);
  fs.rmSync(world.at("/new"), { recursive: true });
  await assert.rejects(world.write(), { name: "Trouble", code: "ENOENT" });
});
