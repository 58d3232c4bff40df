// The gate's patience: connections without a login end, logins that cannot be answered are told as temporary.

import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import { FakeClock } from "#test/support/clock.ts";
import type { DialogClient } from "#test/support/dialog.ts";
import { ReadingWorld } from "#test/support/reading.ts";

/** What the server says up to a line end behind `mark`, or until it closes. */
async function said(client: DialogClient, mark: string): Promise<string> {
  let text = "";
  while (!text.includes(mark) || !text.endsWith("\n")) {
    const chunk = await client.receive();
    if (!chunk) return `${text}<closed>`;
    text += chunk.toString("latin1");
  }
  return text;
}

async function withWorld(clock: FakeClock, run: (world: ReadingWorld) => Promise<void>): Promise<void> {
  const world = await ReadingWorld.start({ clock });
  try {
    await run(world);
  } finally {
    await world.stop();
  }
}

test("a connection without a login ends, silent or busy", () => {
  const clock = new FakeClock();
  return withWorld(clock, async (world) => {
    const [silent, busy] = [await world.connect("imap"), await world.connect("pop3")];
    await said(silent, "* OK");
    await said(busy, "+OK");
    const step = limits.login.connection / 10;
    for (let waited = 0; waited < 9; waited++) {
      busy.send(Buffer.from("NOOP\r\n"));
      assert.match(await said(busy, "+OK"), /still/);
      await clock.advance(step);
    }
    await clock.advance(step);
    for (const client of [silent, busy]) assert.equal(await said(client, "never"), "<closed>");
  });
});

test("a session that has logged in outlives the time for logins", () => {
  const clock = new FakeClock();
  return withWorld(clock, async (world) => {
    const client = await world.connect("imap");
    client.send(Buffer.from("a LOGIN ann@example.test secret\r\n"));
    assert.match(await said(client, "a OK"), /Logged in/);
    await clock.advance(limits.login.connection * 2);
    client.send(Buffer.from("b NOOP\r\n"));
    assert.match(await said(client, "b "), /b OK/);
    client.close();
  });
});

test("without auth a login is temporary trouble, and the connection stays", () =>
  withWorld(new FakeClock(), async (world) => {
    world.loseAuth();
    const imap = await world.connect("imap");
    imap.send(Buffer.from("a LOGIN ann@example.test secret\r\nb NOOP\r\n"));
    assert.match(await said(imap, "b "), /a NO \[UNAVAILABLE\] [^\n]*\r\nb OK/);
    imap.close();
    const pop3 = await world.connect("pop3");
    pop3.send(Buffer.from("USER ann@example.test\r\nPASS secret\r\nNOOP\r\n"));
    assert.match(await said(pop3, "still"), /-ERR \[SYS\/TEMP\] [^\n]*\r\n\+OK still/);
    pop3.close();
  }));

test("a password that is too long for auth's questions is refused before it is asked", () =>
  withWorld(new FakeClock(), async (world) => {
    const client = await world.connect("pop3");
    const long = "x".repeat(limits.login.passwordBytes + 1);
    client.send(
      Buffer.from(`USER ann@example.test\r\nPASS ${long}\r\nUSER ann@example.test\r\nPASS secret\r\n`),
    );
    assert.match(await said(client, "Logged in"), /-ERR \[AUTH\][^\n]*\r\n\+OK[^\n]*\r\n\+OK Logged in/);
    client.close();
  }));
