// What the kernel saw: the sync comes before the 250, and several messages share one (docs/queue.md Q1, I5, I6).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { need } from "../support/tools.ts";
import { converse, eventually, World } from "../support/world.ts";

const CALLS = "write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,fsync,fdatasync,sync_file_range";

/** Traces the system calls of two roles, in one order, while `work` runs; the lines. Undefined: this machine does not let us. */
async function traced(
  context: TestContext,
  world: World,
  work: () => Promise<void>,
): Promise<readonly string[] | undefined> {
  const file = path.join(world.dir, "trace");
  const pids = ["queue", "smtpd"].flatMap((role) => ["-p", String(world.pid(role))]);
  // a sync that takes its time lets others come together behind it, on a fast disk too
  const how = ["-f", "-y", "-s", "300", "-e", `trace=${CALLS}`, "-e", "inject=fdatasync:delay_exit=100000"];
  const strace = spawn("strace", [...how, "-o", file, ...pids], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  strace.stderr.on("data", (chunk) => (said += String(chunk)));
  const ended = new Promise((resolve) => strace.once("close", resolve));
  context.after(() => void strace.kill("SIGKILL"));
  await eventually(() => said.split("attached").length > 2 || strace.exitCode !== null);
  if (strace.exitCode !== null) {
    assert.notEqual(process.env["CI"], "true", said);
    context.skip(`strace may not attach: ${said.trim()}`);
    return undefined;
  }
  await work();
  strace.kill("SIGINT");
  await ended;
  return whole(fs.readFileSync(file, "utf8").split("\n"));
}

/** One line for each call, in the order in which they ended: "unfinished" and "resumed" halves are put together. */
function whole(lines: readonly string[]): readonly string[] {
  const begun = new Map<string, string>();
  return lines.flatMap((line) => {
    const [, pid = "", text = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (text.endsWith("<unfinished ...>")) {
      begun.set(pid, text.slice(0, -"<unfinished ...>".length));
      return [];
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text);
    return [resumed ? `${begun.get(pid) ?? ""}${resumed[1]}` : text];
  });
}

const letter = (n: number) =>
  `EHLO c.test\r\nMAIL FROM:<x@far.test>\r\nRCPT TO:<ann@a.test>\r\nDATA\r\nSubject: ${n}\r\n\r\nx\r\n.\r\nQUIT\r\n`;

test("every 250 is said behind a sync of the segment that holds the message; one sync serves several", async (context) => {
  if (!need(context, "strace")) return;
  const world = await World.start(context);
  // Maildirs are synced by local, which is not traced; the queue alone is
  const calls = await traced(context, world, async () => {
    await Promise.all(Array.from({ length: 60 }, (_, n) => converse(world.port(25), letter(n), 60_000)));
  });
  if (!calls) return;
  let accepted = 0;
  for (const [at, call] of calls.entries()) {
    for (const [, id = ""] of call.matchAll(/250 2\.0\.0 Queued as ([\w-]+)/g)) {
      accepted++;
      const before = calls.slice(0, at);
      const written = before.findIndex(
        (each) => /^p?write/.test(each) && each.includes(".seg>") && each.includes(`\\"id\\":\\"${id}\\"`),
      );
      assert.ok(written >= 0, `no write of ${id} to a segment before its 250`);
      const [, segment = ""] = /^\w+\(\d+<([^>]+)>/.exec(before[written] ?? "") ?? [];
      const synced = before.findIndex(
        (each, index) =>
          index > written &&
          each.startsWith("fdatasync(") &&
          each.includes(segment) &&
          / = 0(?: \(DELAYED\))?$/.test(each),
      );
      assert.ok(synced > written, `no sync of ${segment} between the write of ${id} and its 250`);
    }
  }
  assert.equal(accepted, 60);
  const syncs = calls.filter((call) => /^f(data)?sync\(/.test(call)).length;
  context.diagnostic(`${accepted} messages, ${syncs} syncs in the queue`);
  assert.ok(syncs < accepted / 2, `${syncs} syncs for ${accepted} messages`);
});
