import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { limits } from "#base/limits.ts";
import { Logger } from "#log/logger.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { FakeClock } from "#test/support/clock.ts";
import { temporaryDirectory } from "#test/support/temporary.ts";
import { RejectsKeeper } from "./rejects.ts";

const DAY = 86_400_000;

const bodyOf = (text: string, pieces = false) => ({
  size: text.length,
  whole: pieces ? undefined : Buffer.from(text),
  async *chunks() {
    for (let at = 0; at < text.length; at += 1000) yield Buffer.from(text.slice(at, at + 1000));
  },
});

const letter = (id: string) => `Message-ID: <${id}@b.test>\r\nSubject: x\r\n\r\nx\r\n`;

function keeper(context: TestContext) {
  const mail = temporaryDirectory(context);
  const clock = new FakeClock();
  const lines: string[] = [];
  const bounds = { time: 14 * DAY, messages: 100, size: 1_000_000 };
  const rejects = new RejectsKeeper({
    disk: quickDisk,
    clock,
    log: new Logger({ role: "local", clock, level: "info", sink: (line) => void lines.push(line) }),
    hostname: "mx.a.test",
    bounds: () => bounds,
    mail,
  });
  context.after(() => rejects.close());
  const maildir = (user: string) => path.join(mail, "a.test", user, "Maildir");
  const keep = (user: string, text: string, pieces = false) =>
    rejects.keep(maildir(user), {
      id: "q-1",
      address: `${user}@a.test`,
      arrived: clock.now(),
      head: Buffer.from(""),
      body: bodyOf(text, pieces),
    });
  const came = (user: string, text: string, pieces = false) =>
    rejects.came(maildir(user), { id: "q-2", address: `${user}@a.test` }, bodyOf(text, pieces));
  const count = (user: string) => {
    const at = path.join(maildir(user), ".Rejects/new");
    return fs.existsSync(at) ? fs.readdirSync(at).length : 0;
  };
  return { rejects, clock, bounds, lines, keep, came, count, mail };
}

test("what is refused is kept for each of those it was for, and goes when the same message comes through", async (context) => {
  const { keep, came, count, lines } = keeper(context);
  assert.equal(await keep("ann", letter("1")), "in Rejects");
  assert.equal(await keep("bob", letter("1")), "in Rejects");
  // a large message that is read piece by piece is the same as it was
  const large = `Received: x\r\n${letter("2")}${"y".repeat(100_000)}`;
  assert.equal(await keep("ann", large, true), "in Rejects");
  assert.equal(await keep("ann", "Received: x\r\n\r\nnobody can name it"), "not kept");
  assert.equal(await keep("ann", `${letter("3")}${"y".repeat(1_000_000)}`), "too large to be kept");
  await came("ann", letter("9"));
  assert.deepEqual([count("ann"), count("bob")], [2, 1]);
  await came("ann", `Received: again\r\n${large}`, true);
  await came("ann", letter("1"));
  await came("eve", letter("1"));
  assert.deepEqual([count("ann"), count("bob")], [0, 1]);
  assert.equal(lines.filter((line) => line.includes(" rejects_removed ")).length, 2);
});

test("from time to time what is too old goes, wherever it lies; switched off, what is there stays", async (context) => {
  const { keep, count, clock, bounds, rejects, mail } = keeper(context);
  for (const user of ["ann", "bob"]) await keep(user, letter("1"));
  // what is no mailbox is no trouble
  fs.writeFileSync(path.join(mail, "README"), "");
  fs.mkdirSync(path.join(mail, "a.test/odd"));
  fs.writeFileSync(path.join(mail, "a.test/odd/Maildir"), "");
  await clock.advance(limits.rejects.first);
  await clock.advance(10 * DAY);
  await rejects.sweep();
  assert.deepEqual([count("ann"), count("bob")], [1, 1]);
  // off before they are too old: the keeper sweeps by itself too
  bounds.time = 0;
  await clock.advance(5 * DAY);
  await rejects.sweep();
  assert.equal(await keep("ann", letter("2")), "not kept");
  assert.deepEqual([count("ann"), count("bob")], [1, 1]);
  bounds.time = 14 * DAY;
  await rejects.sweep();
  assert.deepEqual([count("ann"), count("bob")], [0, 0]);
});
