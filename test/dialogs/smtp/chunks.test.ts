// BDAT end to end: the message as the queue gets it, however it is cut; what holds a fast client back; and how things end.

import assert from "node:assert/strict";
import test from "node:test";
import { settle } from "#test/support/clock.ts";
import { heard, say, TO_RCPT } from "./clients.ts";
import { World } from "./world.ts";

const RECEIVED = /^Received: (?:[^\r]*\r\n\t)+[^\r]*\r\n/;

/** BDAT commands for a text cut at some places. */
function bdat(bytes: Buffer, ...cuts: readonly number[]): Buffer {
  const edges = [0, ...cuts, bytes.length];
  const parts = cuts.concat(bytes.length).map((end, at) => {
    const chunk = bytes.subarray(edges[at], end);
    const last = at === cuts.length ? " LAST" : "";
    return Buffer.concat([Buffer.from(`BDAT ${chunk.length}${last}\r\n`), chunk]);
  });
  return Buffer.concat(parts);
}

const text = Buffer.from("Subject: x\r\nTo: y\r\n\r\n.\r\n..\r\nQUIT\r\n\xff\r\n", "latin1");

/** What the queue got of a message, and all replies. */
async function send(pieces: readonly Buffer[], mail = ""): Promise<readonly [body: string, said: string]> {
  const world = new World();
  const { client } = world.connect();
  await say(client, TO_RCPT.replace("far.test>", `far.test>${mail}`));
  for (const piece of pieces) {
    client.send(piece);
    await settle(2);
  }
  const said = await heard(client);
  const [message] = world.messages.filter(({ state }) => state === "queued");
  return [message?.body.toString("latin1").replace(RECEIVED, "") ?? "", said];
}

test("a message is the same at whatever place it is cut into chunks", async () => {
  for (let cut = 0; cut <= text.length; cut++) {
    const [body, said] = await send([bdat(text, cut)]);
    assert.equal(body, text.toString("latin1"), `cut at ${cut}`);
    assert.match(said, /^250 2\.0\.0 \d+ octets received\r\n250 2\.0\.0 Queued as m-1\r\n$/);
  }
});

test("a message is the same at whatever place its bytes are cut on the way", async () => {
  const bytes = bdat(text, 5, 12, 12, 30);
  const whole = await send([bytes]);
  assert.equal(whole[0], text.toString("latin1"));
  for (let cut = 1; cut < bytes.length; cut++)
    assert.deepEqual(await send([bytes.subarray(0, cut), bytes.subarray(cut)]), whole, `cut at ${cut}`);
  const single = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
  assert.deepEqual(await send(single), whole);
});

test("a refused message is refused at the same chunk wherever its bytes are cut", async () => {
  const flawed = bdat(Buffer.from("Subject: x\r\n\r\na\nQUIT\r\n"), 12, 18);
  const whole = await send([flawed]);
  assert.match(whole[1], /^250 [^\n]*\n550 5\.6\.0 [^\n]*\n503 5\.5\.1 [^\n]*\n$/);
  for (let cut = 1; cut < flawed.length; cut++)
    assert.deepEqual(await send([flawed.subarray(0, cut), flawed.subarray(cut)]), whole, `cut at ${cut}`);
});

test("RFC 3030 §3: a binary message arrives byte for byte, and nothing is put behind it", async () => {
  const binary = Buffer.concat([
    Buffer.from("Subject: x\r\n\r\n"),
    Buffer.from(Array.from({ length: 256 }, (_, at) => at)),
  ]);
  const [body, said] = await send([bdat(binary, 20, 28)], " BODY=BINARYMIME");
  assert.match(said, /Queued as m-1\r\n$/);
  assert.equal(body, binary.toString("latin1"));
});

test("a last line that its sender has not ended is ended", async () => {
  const [body] = await send([bdat(Buffer.from("Subject: x\r\n\r\nlast"), 3)]);
  assert.equal(body, "Subject: x\r\n\r\nlast\r\n");
});

test("small chunks go on to the queue in large pieces, and a large message is never whole in memory", async () => {
  const world = new World();
  const pieces: number[] = [];
  const begin = world.peers.begin.bind(world.peers);
  Object.assign(world.peers, {
    begin: async (...given: Parameters<typeof begin>) => {
      const injection = await begin(...given);
      const write = (chunk: Buffer) => {
        pieces.push(chunk.length);
        return injection.write(chunk);
      };
      return { ...injection, write };
    },
  });
  const { client } = world.connect();
  await say(client, TO_RCPT);
  const line = `${"x".repeat(98)}\r\n`;
  client.send("BDAT 14\r\nSubject: x\r\n\r\n");
  for (let at = 0; at < 5000; at++) {
    client.send(`BDAT 100\r\n${line}`);
    if (at % 100 === 0) {
      await settle(60);
      client.drain();
    }
  }
  await settle(50);
  client.drain();
  const sent = pieces.reduce((sum, size) => sum + size, 0);
  assert.ok(sent > 500_000 - 40_000, `${sent} bytes went on before the last chunk`);
  assert.ok(pieces.length < 30, `${pieces.length} pieces`);
  assert.match(await say(client, "BDAT 0 LAST\r\n"), /250 2\.0\.0 Queued/);
  assert.ok((world.messages[0]?.body.length ?? 0) > 500_000);
});

test("a client that sends chunks faster than the queue takes them waits for it", async () => {
  const world = new World({ slowqueue: "yes" });
  const { client } = world.connect();
  await say(client, TO_RCPT);
  const piece = Buffer.from(`${"x".repeat(998)}\r\n`.repeat(60));
  client.send(`BDAT ${14 + 10 * piece.length} LAST\r\nSubject: x\r\n\r\n`);
  for (let at = 0; at < 10; at++) client.send(piece);
  await settle();
  assert.ok(client.unread > 8 * piece.length, `${client.unread} bytes wait`);
  for (let at = 0; at < 30; at++) {
    world.release();
    await settle(3);
  }
  assert.match(await heard(client), /250 2\.0\.0 Queued/);
});

for (const [what, end] of [
  ["RSET", "RSET\r\n"],
  ["EHLO", "EHLO c.test\r\n"],
  ["QUIT", "QUIT\r\n"],
  ["STARTTLS", "STARTTLS\r\n"],
  ["a chunk that is refused", "BDAT 1 LAST\r\n\0"],
  ["a line nobody can count", "BDAT x\r\n"],
] as const) {
  test(`between chunks, ${what} takes back from the queue what it has got`, async () => {
    const world = new World();
    const { client, done } = world.connect();
    const large = `Subject: x\r\n\r\n${"0123456789\r\n".repeat(10_000)}`;
    await say(client, `${TO_RCPT}BDAT ${large.length}\r\n${large}`);
    assert.equal(world.messages[0]?.state, "open");
    await say(client, end);
    if (end.startsWith("STARTTLS")) await client.secure();
    await settle();
    assert.equal(world.messages[0]?.state, "aborted");
    client.close();
    await done;
  });
}

for (const [what, rest] of [
  ["behind a chunk", ""],
  ["within a chunk", "BDAT 100\r\nabc"],
  ["within a line", "BDAT 1"],
] as const) {
  for (const how of ["closes", "resets"] as const) {
    test(`a client that ${how} ${what} leaves no message`, async () => {
      const world = new World();
      const { client, done } = world.connect();
      const large = `Subject: x\r\n\r\n${"0123456789\r\n".repeat(10_000)}`;
      await say(client, `${TO_RCPT}BDAT ${large.length}\r\n${large}${rest}`);
      assert.equal(world.messages[0]?.state, "open");
      if (how === "closes") client.close();
      else client.reset();
      await done;
      assert.equal(world.messages[0]?.state, "aborted");
      assert.equal(world.events("smtp_accept").length, 0);
    });
  }
}

test("a role that stops between chunks tells its client and takes the message back", async () => {
  const world = new World();
  const { client, done } = world.connect();
  await say(client, `${TO_RCPT}BDAT 14\r\nSubject: x\r\n\r\n`);
  for (const session of world.sessions) session.stop();
  assert.match(await heard(client), /^421 4\.3\.2/);
  await done;
  assert.equal(world.events("smtp_accept").length, 0);
});

test("a role that stops within the last chunk lets the message end", async () => {
  const world = new World();
  const { client, done } = world.connect();
  await say(client, `${TO_RCPT}BDAT 14 LAST\r\nSubject: x`);
  for (const session of world.sessions) session.stop();
  assert.equal(await heard(client), "");
  assert.match(await say(client, "\r\n\r\n"), /^250 2\.0\.0 Queued as m-1\r\n421 4\.3\.2 /);
  await done;
});
