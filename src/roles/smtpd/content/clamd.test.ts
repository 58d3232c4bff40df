// The ClamAV client against clamd itself, with a database of one signature.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { VIRUS } from "#test/support/checkers.ts";
import { checker, examine } from "#test/support/examine.ts";
import { reachable } from "#test/support/reachable.ts";

test("clamd finds what is in its database, and says what is too large for it", async (context) => {
  if (spawnSync("sh", ["-c", "command -v clamd"]).status !== 0)
    return context.skip("install clamav-daemon to run this");
  const directory = fs.mkdtempSync(path.join(tmpdir(), "kenro-clamd-"));
  const socket = path.join(directory, "clamd.sock");
  fs.mkdirSync(path.join(directory, "db"));
  const signature = Buffer.from(VIRUS).toString("hex");
  fs.writeFileSync(path.join(directory, "db/test.ndb"), `Kenro.Test:0:*:${signature}\n`);
  const settings = {
    DatabaseDirectory: path.join(directory, "db"),
    LocalSocket: socket,
    Foreground: "yes",
    StreamMaxLength: "1M",
    User: spawnSync("id", ["-un"], { encoding: "utf8" }).stdout.trim(),
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} ${value}\n`);
  fs.writeFileSync(path.join(directory, "clamd.conf"), lines.join(""));
  const clamd = spawn("clamd", ["-c", path.join(directory, "clamd.conf")], { stdio: "ignore" });
  context.after(async () => {
    const ended = clamd.exitCode === null ? new Promise((resolve) => clamd.once("exit", resolve)) : undefined;
    clamd.kill("SIGKILL");
    await ended;
    fs.rmSync(directory, { recursive: true, force: true });
  });
  const one = checker({ address: `unix:${socket}` });
  for (let tries = 0; !(await reachable(one.address)); tries++) {
    assert.ok(clamd.exitCode === null && tries < 400, "clamd does not start");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await one.ping();
  const large = Buffer.from(`${"x".repeat(98)}\r\n`.repeat(1000));
  assert.equal((await examine(one, [large])).kind, "clean");
  const found = await examine(one, [large, VIRUS.slice(0, 7), VIRUS.slice(7)]);
  assert.equal(found.kind === "refuse" && found.evidence, "Kenro.Test.UNOFFICIAL");
  const outcome = await examine(
    one,
    Array.from({ length: 20 }, () => large),
  );
  assert.equal(outcome.kind, "unknown");
  assert.match("why" in outcome ? outcome.why : "", /size limit exceeded|closed|EPIPE|ECONNRESET/);
});
