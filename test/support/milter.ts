// A real milter for tests: recorder.py on libmilter, started for one test.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { freePort } from "./loopback.ts";
import { reachable } from "./reachable.ts";

const PYTHON = "/usr/bin/python3";
const PROGRAM = path.resolve(import.meta.dirname, "recorder.py");

export interface Milter {
  readonly address: string;
  /** What it was told, since the last time. */
  told(): readonly (readonly unknown[])[];
}

/** Undefined: there is no python3-milter here, and the test is skipped; in CI it fails. */
export async function startMilter(
  context: TestContext,
  over: "unix" | "inet" = "unix",
  flags = "add",
): Promise<Milter | undefined> {
  if (spawnSync(PYTHON, ["-c", "import Milter"]).status !== 0) {
    assert.notEqual(process.env["CI"], "true", "CI lacks python3-milter");
    context.skip("install python3-milter to run this");
    return undefined;
  }
  const directory = fs.mkdtempSync(path.join(tmpdir(), "kenro-milter-"));
  const record = path.join(directory, "record");
  fs.writeFileSync(record, "");
  const port = await freePort();
  const socket = path.join(directory, "milter.sock");
  const [place, address] =
    over === "unix" ? [`unix:${socket}`, `unix:${socket}`] : [`inet:${port}@127.0.0.1`, `127.0.0.1:${port}`];
  const child = spawn(PYTHON, [PROGRAM, place, record, flags], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk) => (said += String(chunk)));
  context.after(async () => {
    const ended = child.exitCode === null ? new Promise((resolve) => child.once("exit", resolve)) : undefined;
    child.kill("SIGKILL");
    await ended;
    fs.rmSync(directory, { recursive: true, force: true });
  });
  for (let tries = 0; !(await reachable(address)); tries++) {
    assert.ok(child.exitCode === null && tries < 200, `The milter does not start: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  let seen = 0;
  const told = () => {
    const events = fs
      .readFileSync(record, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as readonly unknown[]);
    const fresh = events.slice(seen);
    seen = events.length;
    return fresh;
  };
  return { address, told };
}
