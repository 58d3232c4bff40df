import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { answerReports, Reporter } from "#talk/report.ts";
import { FakeClock, settle } from "#test/support/clock.ts";
import { parseTai64n } from "#wire/tai64.ts";
import { type Append, append, LogFile } from "./file.ts";
import { LogFiles, tidyLine } from "./main.ts";

function place(context: TestContext): string {
  const directory = fs.mkdtempSync(path.join(tmpdir(), "kenro-log-"));
  context.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const lost = (count: number) => `lost ${count}`;
const contents = (directory: string, name = "current") => fs.readFileSync(path.join(directory, name), "utf8");
const closed = (directory: string) =>
  fs
    .readdirSync(directory)
    .filter((name) => name !== "current")
    .sort();

/** Writes at most `space` bytes until more is given, as a full disk does. */
class FullDisk {
  space = 0;
  writes = 0;

  readonly append: Append = async (fd, bytes) => {
    this.writes++;
    const now = Math.min(bytes.length, this.space);
    if (now === 0) throw new Error("No space left on device");
    this.space -= now;
    return append(fd, bytes.subarray(0, now));
  };
}

test("lines are written in their order, many with one write, and all of them before close() returns", async (context) => {
  const directory = path.join(place(context), "smtpd");
  const disk = new FullDisk();
  disk.space = Number.POSITIVE_INFINITY;
  const file = new LogFile({
    directory,
    clock: systemClock,
    keeping: { size: 1 << 20, files: 3 },
    lost,
    append: disk.append,
  });
  const lines = Array.from({ length: 500 }, (_, n) => `line ${n}`);
  for (const line of lines) file.line(line);
  await file.close();
  assert.equal(contents(directory), `${lines.join("\n")}\n`);
  assert.equal(disk.writes, 1);
});

test("a full file is closed under its time and the oldest are removed; no line is cut or lost on the way", async (context) => {
  const directory = place(context);
  const clock = new FakeClock();
  const file = new LogFile({ directory, clock, keeping: { size: 4096, files: 3 }, lost });
  const line = (n: number) => `${n}`.padEnd(99, ".");
  const last = 400;
  for (let n = 0; n < last; n++) file.line(line(n));
  await file.close();
  const names = closed(directory);
  assert.equal(names.length, 3);
  for (const name of names) {
    assert.match(name, /^@[0-9a-f]{24}\.s$/);
    assert.ok(Math.abs((parseTai64n(name) ?? 0) - clock.now()) < 1);
    assert.equal(contents(directory, name).length, 4000);
  }
  const kept = [...names, "current"].map((name) => contents(directory, name)).join("");
  const first = last - kept.length / 100;
  assert.equal(kept, Array.from({ length: last - first }, (_, n) => `${line(first + n)}\n`).join(""));
});

test("a line longer than a file gets one of its own", async (context) => {
  const directory = place(context);
  const file = new LogFile({ directory, clock: new FakeClock(), keeping: { size: 4096, files: 9 }, lost });
  const long = "x".repeat(5000);
  for (const line of ["a", long, "b"]) file.line(line);
  await file.close();
  assert.deepEqual(
    [...closed(directory), "current"].map((name) => contents(directory, name)),
    ["a\n", `${long}\n`, "b\n"],
  );
});

test("a half line that a crash left is ended; the log goes on behind it", async (context) => {
  const directory = place(context);
  fs.writeFileSync(path.join(directory, "current"), "whole\nhal");
  const file = new LogFile({ directory, clock: systemClock, keeping: { size: 4096, files: 3 }, lost });
  file.line("next");
  await file.close();
  assert.equal(contents(directory), "whole\nhal\nnext\n");
});

test("while the disk is full lines wait, bounded; later all come once, and the number of those lost", async (context) => {
  const directory = place(context);
  const clock = new FakeClock();
  const disk = new FullDisk();
  const keeping = { size: 64 * limits.log.buffered, files: 3 };
  const file = new LogFile({ directory, clock, keeping, lost, append: disk.append });
  const wide = "x".repeat(999);
  const fit = Math.floor(limits.log.buffered / 1000);
  for (let n = 0; n < fit; n++) file.line(wide);
  disk.space = 2500;
  await clock.advance(100);
  // the second write is the one that is refused
  while (disk.writes < 2) await settle(1);
  await settle();
  for (let n = 0; n < 7; n++) file.line(wide);
  await clock.advance(900);
  await settle();
  assert.equal(disk.writes, 2, "it is not tried all the time");
  disk.space = Number.POSITIVE_INFINITY;
  await clock.advance(5000);
  await file.close();
  // what had been written left room for three of the seven
  const lines = contents(directory).split("\n");
  assert.equal(lines.filter((line) => line === wide).length, fit + 3);
  assert.deepEqual(lines.slice(fit + 3), ["lost 4", ""]);
});

test("close() returns although the disk refuses", async (context) => {
  const file = new LogFile({
    directory: place(context),
    clock: new FakeClock(),
    keeping: { size: 4096, files: 1 },
    lost,
    append: new FullDisk().append,
  });
  file.line("never written");
  await file.close();
});

test("tidyLine() makes one bounded line with a stamp of whatever a role sends", () => {
  const stamp = `@400000006a5c1b2a${"0".repeat(8)}`;
  const now = 1_785_000_000_000;
  for (const [line, wanted] of [
    [`${stamp} smtpd ready`, /^@400000006a5c1b2a0{8} smtpd ready$/],
    ["lost_lines count=3", /^@[0-9a-f]{24} smtpd lost_lines count=3$/],
    ["", /^@[0-9a-f]{24} smtpd $/],
    [`${stamp} smtpd.1 ready`, /^@400000006a5c1b2a0{8} smtpd\.1 ready$/],
    [`${stamp} auth auth_login`, /^@[0-9a-f]{24} smtpd @400000006a5c1b2a0{8} auth auth_login$/],
    [`${stamp} smtpdx ready`, /^@[0-9a-f]{24} smtpd @\S+ smtpdx ready$/],
    [`${stamp} smtpd`, /^@[0-9a-f]{24} smtpd @\S+ smtpd$/],
    [`${stamp} smtpd x\n${stamp} auth forged`, /^[^\n]* smtpd x\?@.* auth forged$/],
    [`${stamp} smtpd \u001b]0;title\u0007\u009b`, / smtpd \?\]0;title\?\?$/],
  ] as const)
    assert.match(tidyLine("smtpd", line, now), wanted);
  assert.equal(tidyLine("smtpd", `${stamp} smtpd ${"x".repeat(100_000)}`, now).length, limits.log.line + 1);
});

test("what roles report over their sockets is in their files; a peer that sends garbage harms nobody", async (context) => {
  const directory = place(context);
  const files = new LogFiles(systemClock, { size: 1 << 20, files: 3 }, directory);
  const roles = ["smtpd", "queue"];
  const made = await Promise.all(
    roles.map(async (role) => {
      const at = path.join(directory, `${role}.sock`);
      const answering = await answerReports(at, role, (from, line) => files.take(from, line));
      return { answering, reporter: new Reporter(at, systemClock) };
    }),
  );
  for (const [n, { reporter }] of made.entries()) reporter.line(`hello from ${n}`);
  const there = (role: string) => fs.existsSync(path.join(directory, role, "current"));
  while (!roles.every(there)) await new Promise((resolve) => setTimeout(resolve, 5));
  for (const { answering, reporter } of made) {
    await reporter.close();
    answering.close();
  }
  await files.close();
  for (const [n, role] of roles.entries())
    assert.match(
      contents(path.join(directory, role)),
      new RegExp(`^@[0-9a-f]{24} ${role} hello from ${n}\\n$`),
    );
});
