// The dialog runner judged by a small echo server: what it accepts, and that it fails where it should.

import assert from "node:assert/strict";
import test from "node:test";
import type { Stream } from "#sys/conn.ts";
import { FakeClock } from "./clock.ts";
import { type DialogTarget, parseDialog, rawBytes, runDialog } from "./dialog.ts";
import { loopbackClient, serveLoopback } from "./loopback.ts";
import { memoryPair } from "./memory.ts";

/** Greets, then gives every chunk back behind "> "; "bye" closes; after a minute of silence it says "late" and closes. */
async function echo(stream: Stream): Promise<void> {
  await stream.write("* hello id=17 you\r\n");
  for (;;) {
    const chunk = await Promise.resolve(stream.read(60_000)).catch(() => Buffer.from("late\r\n"));
    if (chunk === undefined) break;
    await stream.write(Buffer.concat([Buffer.from("> "), chunk]));
    if (/^(bye|late)/.test(chunk.toString())) break;
  }
  stream.end();
}

const worlds: Record<string, () => Promise<DialogTarget>> = {
  memory: async () => {
    const clock = new FakeClock();
    return {
      connect: async () => {
        const { server, client } = memoryPair(clock);
        void echo(server);
        return client;
      },
      wait: (ms) => clock.advance(ms),
      stop: async () => {},
    };
  },
  loopback: async () => {
    const clock = new FakeClock();
    const served = await serveLoopback(clock, echo);
    return {
      connect: () => loopbackClient(served.port),
      wait: (ms) => clock.advance(ms),
      stop: () => served.stop(),
    };
  },
};

const good = [
  ["a wildcard, an escaped star and a capture", "S: \\* hello id=$id *\nC: x$id\nS: > x17"],
  ["any order", "S: *\nC> a\\r\\nb\\r\\n\nS? b\nS? > a"],
  ["two connections", "1 S: *\n2 S: *\n2 C: two\n1 C: one\n1 S: > one\n2 S: > two"],
  ["the clock", "S: *\nwait 61s\nS: > late\nclosed"],
  ["a line that must not come and does not", "S: *\nS! > no\nC: yes\nS: > yes"],
  ["the client closes and so does the server", "S: *\nclose\nclosed"],
] as const;

const bad = [
  ["another line", "S: *\nC: a\nS: > b", "x.dialog:3: S: > b"],
  ["silence of a closed connection", "S: *\nC: bye\nS: > bye\nS: more", "x.dialog:4: S: more"],
  ["a forbidden line", "S: *\nC: a\nS! > a\nS: > a", "x.dialog:3: S! > a"],
  ["a forbidden line at the end", "S: *\nC: a\nS! > a", "x.dialog:3: S! > a"],
  ["a capture that differs", "S: * id=$id you\nC: 18\nS: > $id", "x.dialog:3: S: > $id"],
  ["lines before closed", "S: *\nC: bye\nclosed", "x.dialog:3: closed"],
] as const;

for (const [world, start] of Object.entries(worlds)) {
  for (const [what, text] of good) {
    test(`a dialog accepts ${what} (${world})`, async () => {
      const target = await start();
      await runDialog(parseDialog("x.dialog", text), target).finally(() => target.stop());
    });
  }
  for (const [what, text, where] of bad) {
    test(`a dialog fails at ${what} (${world})`, async () => {
      const target = await start();
      const run = runDialog(parseDialog("x.dialog", text), target).finally(() => target.stop());
      await assert.rejects(run, (error: Error) => error.message.startsWith(where));
    });
  }
}

test("parseDialog() reads reason and given, and names a line that is none", () => {
  const dialog = parseDialog("x.dialog", "# why\ngiven: users=ann@a.test, mode=x=y\n\nC: hi");
  assert.equal(dialog.title, "why");
  assert.deepEqual(dialog.given, { users: "ann@a.test", mode: "x=y" });
  assert.deepEqual(dialog.steps, [{ line: 4, connection: 1, verb: "C:", text: "hi" }]);
  assert.throws(() => parseDialog("x.dialog", "C: a\nD: b"), /^Error: x\.dialog:2: /);
});

test("rawBytes() knows \\r \\n \\0 \\xNN and the backslash", () => {
  assert.deepEqual(rawBytes("a\\r\\n\\0\\xfF\\\\n"), Buffer.from("a\r\n\0\xff\\n", "latin1"));
});
