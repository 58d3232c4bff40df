// IDLE, cut and pipelined in ways that real clients use; the session must go on afterwards.

import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import { FakeClock } from "#test/support/clock.ts";
import { ReadingWorld, sampleMail } from "#test/support/reading.ts";

/** All that the server says until `mark` has come. */
async function until(client: { receive(): Promise<Buffer | undefined> }, mark: string): Promise<string> {
  let text = "";
  while (!text.includes(mark)) {
    const chunk = await client.receive();
    assert.ok(chunk, `closed before "${mark}", after: ${text}`);
    text += chunk.toString("latin1");
  }
  return text;
}

test("a session outlives IDLE and DONE that came in one packet by more than the idle time", async () => {
  const clock = new FakeClock();
  const world = await ReadingWorld.start({ clock });
  try {
    world.put(sampleMail(1));
    const client = await world.connect("imap");
    client.send(Buffer.from("a LOGIN ann@example.test secret\r\nb SELECT INBOX\r\n"));
    await until(client, "b OK");
    client.send(Buffer.from("c IDLE\r\nDONE\r\n"));
    await until(client, "c OK");
    // a read that IDLE had left behind would fail now, with nobody to hear of it, and end the process
    await clock.advance(limits.imap.idleTimeout - 1000);
    client.send(Buffer.from("d NOOP\r\n"));
    await until(client, "d OK");
    await clock.advance(2000);
    client.send(Buffer.from("e NOOP\r\n"));
    await until(client, "e OK");
    client.close();
  } finally {
    await world.stop();
  }
});

test("IDLE tells of new mail at once", async () => {
  const world = await ReadingWorld.start();
  try {
    const client = await world.connect("imap");
    client.send(Buffer.from("a LOGIN ann@example.test secret\r\nb SELECT INBOX\r\nc IDLE\r\n"));
    await until(client, "+ ");
    world.put(sampleMail(1));
    await until(client, "* 1 EXISTS");
    client.send(Buffer.from("DONE\r\n"));
    await until(client, "c OK");
    client.close();
  } finally {
    await world.stop();
  }
});
