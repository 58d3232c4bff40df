// `npm start` as a newcomer sees it: what it prints is copied into a shell, line by line, as it stands.

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { need } from "#test/support/tools.ts";

const root = path.resolve(import.meta.dirname, "../..");
const executable = path.join(root, "bin/kenro");

const environment = () => {
  const { KENRO_DIR: _, ...rest } = process.env;
  return rest;
};

interface Demo {
  readonly server: ChildProcess;
  /** What it printed up to "ready". */
  readonly text: string;
}

/** Starts the demonstration in `cwd`; resolves when it says ready. */
function demo(context: TestContext, cwd: string): Promise<Demo> {
  const server = spawn(executable, ["demo"], { cwd, env: environment(), stdio: ["ignore", "pipe", "pipe"] });
  context.after(() => void server.kill("SIGKILL"));
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => reject(new Error(`not ready: ${text}`)), 60_000);
    server.stderr.on("data", (chunk) => (text += String(chunk)));
    server.stdout.on("data", (chunk) => {
      text += String(chunk);
      if (!/^ready$/m.test(text)) return;
      clearTimeout(timer);
      resolve({ server, text });
    });
    server.once("exit", (code) => reject(new Error(`ended with ${code}: ${text}`)));
  });
}

async function stopped(server: ChildProcess, directory: string): Promise<number | null> {
  const ended = new Promise<number | null>((resolve) => server.once("exit", resolve));
  spawnSync(executable, ["stop", "--dir", directory], { timeout: 60_000 });
  return ended;
}

/** The line that begins like this, run by a shell, until its output has what is wanted (delivery may take longer than its sleep). */
function run(text: string, begin: string, wanted: RegExp): void {
  const line = text.split("\n").find((each) => each.startsWith(`  ${begin}`));
  assert.ok(line, `no line begins with "${begin}" in ${text}`);
  let ran = { status: null as number | null, stdout: "", stderr: "" };
  for (let tries = 0; tries < 5 && !wanted.test(ran.stdout); tries++) {
    ran = spawnSync("sh", ["-c", line], { encoding: "utf8", cwd: "/", timeout: 60_000 });
  }
  assert.match(ran.stdout, wanted, `${line}\n${ran.stdout}\n${ran.stderr}`);
}

test("every line that the demonstration prints works as it stands, and the next start has the same account", async (context) => {
  if (!need(context, "swaks", "curl", "openssl")) return;
  const cwd = fs.mkdtempSync(path.join(tmpdir(), "kenro demo's-"));
  // started as root, the roles are other users, who have to pass
  fs.chmodSync(cwd, 0o755);
  context.after(() => fs.rmSync(cwd, { recursive: true, force: true }));
  const first = await demo(context, cwd);
  const password = /^ +password +(\S+)$/m.exec(first.text)?.[1];
  assert.ok(password);
  assert.equal((first.text.match(/^ {2}(?:mx|submissions?|pop3s?|imaps?) +\d+ /gm) ?? []).length, 7);
  run(first.text, "swaks ", /^<[~*-]+ +250 /m);
  run(first.text, "printf ", /^Subject: Hello\r?$/m);
  run(first.text, "(sleep ", /It works\.\r\n[\s\S]*^d OK /m);
  const log = /^The log: bin\/(kenro log .*?) {3}/m.exec(first.text)?.[1]?.replace(" -f", "");
  const lines = spawnSync("sh", ["-c", `${root}/bin/${log}`], { encoding: "utf8" }).stdout;
  assert.match(lines, / smtp_accept /);
  assert.equal(await stopped(first.server, path.join(cwd, "kenro-data")), 0);
  const second = await demo(context, cwd);
  assert.ok(second.text.includes(password), "the same password");
  assert.equal(await stopped(second.server, path.join(cwd, "kenro-data")), 0);
});
