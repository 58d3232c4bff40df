import assert from "node:assert/strict";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { answerReports, Reporter } from "./report.ts";

function socketIn(context: TestContext): string {
  const directory = fs.mkdtempSync(path.join(tmpdir(), "kenro-report-"));
  context.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  return path.join(directory, "socket");
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

test("lines arrive whole and in their order, those from before the logger was there first", async (context) => {
  const at = socketIn(context);
  const got: string[] = [];
  const reporter = new Reporter(at, systemClock);
  const sent = Array.from({ length: 3000 }, (_, n) => `line ${n} ${"x".repeat(n % 90)}`);
  for (const line of sent.slice(0, 2000)) reporter.line(line);
  const answering = await answerReports(at, "smtpd", (_, line) => got.push(line));
  await until(() => got.length === 2000);
  for (const line of sent.slice(2000)) reporter.line(line);
  // what is kept goes before it hangs up
  await reporter.close();
  await until(() => got.length === 3000);
  answering.close();
  assert.deepEqual(got, sent);
});

test("a line waits for others a moment only", async (context) => {
  const at = socketIn(context);
  const got: string[] = [];
  const answering = await answerReports(at, "smtpd", (_, line) => got.push(line));
  const reporter = new Reporter(at, systemClock);
  reporter.line("one");
  await until(() => got.length === 1);
  reporter.line("two");
  await until(() => got.length === 2);
  await reporter.close();
  answering.close();
  assert.deepEqual(got, ["one", "two"]);
});

test("while the logger is away lines are kept up to the limit; the number of the others comes behind them", async (context) => {
  const at = socketIn(context);
  const got: string[] = [];
  const reporter = new Reporter(at, systemClock);
  const line = "y".repeat(1000);
  const kept = Math.floor(limits.log.buffered / line.length);
  for (let n = 0; n < kept + 7; n++) reporter.line(line);
  const answering = await answerReports(at, "smtpd", (_, each) => got.push(each));
  await until(() => got.length === kept + 1);
  await reporter.close();
  answering.close();
  assert.equal(got.at(-1), "lost_lines count=7");
  assert.ok(got.slice(0, -1).every((each) => each === line));
});
