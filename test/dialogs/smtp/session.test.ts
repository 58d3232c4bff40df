// What dialogs cannot show: the message as the queue gets it, what leaves in one write, who waits for whom, and how things end.

import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import { settle } from "#test/support/clock.ts";
import { HELLO, heard, say, submission, TO_DATA } from "./clients.ts";
import { World } from "./world.ts";

async function submitted(text: string, recipients = ["carol@far.test"]): Promise<string> {
  const world = new World({ mode: "submissions" });
  const client = await submission(world);
  const to = recipients.map((each) => `RCPT TO:<${each}>\r\n`).join("");
  const said = await say(client, `MAIL FROM:<ann@example.test>\r\n${to}DATA\r\n${text}.\r\nQUIT\r\n`);
  assert.match(said, /250 2\.0\.0 Queued as m-1/);
  assert.equal(world.messages[0]?.envelope.submitted, true);
  return world.messages[0]?.body.toString("latin1") ?? "";
}

const RECEIVED =
  /^Received: from c\.test \(\[192\.0\.2\.7\]\)\r\n\tby mail\.example\.test with [A-Z]+(?: \([^)]*\))?\r\n\tid m-1(?:\r\n\tfor <[^>]*>)?(?:\r\n\ttls \S+)?;\r\n\t[^\r]*\r\n/;

const bodies: readonly (readonly [what: string, text: string, front: string])[] = [
  ["a plain message", "Subject: x\r\n\r\nbody\r\n", ""],
  ["dots", "Subject: x\r\n\r\n.\r\n..\r\n.x\r\n", ""],
  ["8-bit bytes", "Subject: \xe4\r\n\r\n\xff\xfe\r\n", ""],
  ["no body", "Subject: x\r\n\r\n", ""],
  ["no blank line", "Subject: x\r\n", ""],
  ["no field", "\r\nbody\r\n", ""],
  ["a blank line only", "\r\n", ""],
  ["nothing", "", "\r\n"],
  ["a body without a header", "Hello\r\n\r\nX: y\r\n", "\r\n"],
  ["Bcc, which port 25 leaves alone", "Bcc: ann@example.test\r\n\r\n", ""],
  ["a large body", `Subject: x\r\n\r\n${"0123456789abcdef\r\n".repeat(20_000)}`, ""],
  ["a large header", `${"X-Field: 0123456789abcdef\r\n".repeat(900)}\r\nbody\r\n`, ""],
];

for (const [what, text, front] of bodies) {
  for (const size of [Number.MAX_SAFE_INTEGER, 1000, 7]) {
    if (size < 10 && text.length > 30_000) continue;
    test(`the queue gets ${what} byte for byte, in pieces of ${size}`, async () => {
      const world = new World();
      const { client } = world.connect();
      await say(client, TO_DATA);
      const sent = Buffer.from(`${text.replaceAll(/^\./gm, "..")}.\r\n`, "latin1");
      for (let at = 0; at < sent.length; at += size) client.send(sent.subarray(at, at + size));
      assert.match(await heard(client), /^250 2\.0\.0 Queued/);
      const got = world.messages[0]?.body.toString("latin1") ?? "";
      assert.match(got, RECEIVED);
      assert.equal(got.replace(RECEIVED, ""), front + text);
      assert.equal(world.messages[0]?.state, "queued");
    });
  }
}

test("the envelope tells what MAIL and RCPT said", async () => {
  const world = new World();
  const { client } = world.connect();
  await say(
    client,
    `${HELLO}MAIL FROM:<@x.test:"b"@FAR.test> BODY=8BITMIME\r\nRCPT TO:<ann@EXAMPLE.test>\r\nRCPT TO:<ann@example.test>\r\nRCPT TO:<Postmaster>\r\nDATA\r\n.\r\n`,
  );
  assert.deepEqual(world.messages[0]?.envelope, {
    sender: "b@far.test",
    recipients: [{ address: "ann@example.test" }, { address: "postmaster" }],
    body: "8bitmime",
    submitted: false,
  });
  assert.doesNotMatch(world.messages[0]?.body.toString() ?? "", /\tfor </);
});

test("RFC 5321 §4.4: Received names the only recipient, the protocol and TLS", async () => {
  const world = new World();
  const { client } = world.connect();
  client.send("STARTTLS\r\n");
  await settle();
  await client.secure();
  await say(client, `${TO_DATA}.\r\n`);
  const got = world.messages[0]?.body.toString() ?? "";
  assert.match(
    got,
    /with ESMTPS \(TLSv1\.3\)\r\n\tid m-1\r\n\tfor <ann@example\.test>\r\n\ttls TLS_AES_256_GCM_SHA384;/,
  );
});

test("RFC 6409 §8: a submission gets Date and Message-ID, and loses Bcc", async () => {
  const got = await submitted("Subject: x\r\nBcc: dan@far.test,\r\n eve@far.test\r\n\r\nBcc: stays\r\n", [
    "carol@far.test",
    "dan@far.test",
  ]);
  assert.match(got, RECEIVED);
  assert.match(got, /with ESMTPSA \(TLSv1\.3\)\r\n/);
  assert.equal(
    got.replace(RECEIVED, ""),
    "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <m-1@mail.example.test>\r\nSubject: x\r\n\r\nBcc: stays\r\n",
  );
});

test("a submission that has Date and Message-ID keeps them", async () => {
  const text = "date: Fri, 02 Jan 2026 00:00:00 +0000\r\nMESSAGE-ID: <x@y>\r\n\r\nbody\r\n";
  assert.equal((await submitted(text)).replace(RECEIVED, ""), text);
});

test("replies of pipelined commands leave in one write", async () => {
  const world = new World();
  const { client } = world.connect();
  await heard(client);
  client.send(`${TO_DATA}Subject: x\r\n\r\nbody\r\n.\r\nMAIL FROM:<b@far.test>\r\nRSET\r\nNOOP\r\n`);
  await settle();
  assert.equal(client.writes.length, 2, "one up to 354, one behind the body");
});

test("a small message reaches the queue in one piece", async () => {
  const world = new World();
  let writes = 0;
  const counted = (write: (chunk: Buffer) => boolean) => (chunk: Buffer) => {
    writes++;
    return write(chunk);
  };
  const begin = world.peers.begin.bind(world.peers);
  Object.assign(world.peers, {
    begin: async (...given: Parameters<typeof begin>) => {
      const injection = await begin(...given);
      return { ...injection, write: counted(injection.write) };
    },
  });
  const { client } = world.connect();
  await say(client, TO_DATA);
  client.send("Subject: x\r\n");
  client.send("\r\n..dots\r\n..dots\r\n");
  assert.match(await say(client, ".\r\n"), /250/);
  assert.equal(writes, 1);
});

test("a client that sends faster than the queue takes waits for it", async () => {
  const world = new World({ slowqueue: "yes" });
  const { client } = world.connect();
  await say(client, TO_DATA);
  const piece = Buffer.from(`${"x".repeat(998)}\r\n`.repeat(60));
  client.send("Subject: x\r\n\r\n");
  for (let at = 0; at < 10; at++) client.send(piece);
  await settle();
  assert.ok(client.unread > 8 * piece.length, `${client.unread} bytes wait`);
  for (let at = 0; at < 30; at++) {
    world.release();
    await settle(3);
  }
  assert.equal(client.unread, 0);
  client.send(".\r\n");
  await settle();
  world.release();
  assert.match(await heard(client), /250 2\.0\.0/);
});

test("a client that does not read its replies is not read either", async () => {
  const world = new World();
  const { client } = world.connect();
  for (let at = 0; at < 200; at++) client.send("NOOP\r\n".repeat(1000));
  await settle(500);
  const size = client.writes.reduce((sum, each) => sum + each.length, 0);
  assert.ok(size < 200_000, `${size} bytes of replies are kept`);
  assert.ok(client.unread > 900_000);
});

for (const [what, first] of [
  ["header", "A"],
  ["body", "\r\n"],
] as const) {
  test(`a ${what} in one-byte pieces is taken in time that grows with its length, not with the square`, async () => {
    const times: number[] = [];
    for (const length of [5000, 40_000]) {
      const world = new World();
      const { client } = world.connect();
      await say(client, TO_DATA + first);
      const began = performance.now();
      for (let at = 0; at < length; at += 500) {
        for (let byte = 0; byte < 500; byte++) client.send("x");
        await settle(1);
      }
      times.push(performance.now() - began);
      assert.match(await say(client, "\r\n.\r\n"), /^250/);
      assert.ok((world.messages[0]?.body.length ?? 0) > length);
    }
    const [short = 0, long = 0] = times;
    assert.ok(long < 40 * short + 1000, `${short} ms, then ${long} ms`);
  });
}

for (const [what, text, code] of [
  ["a header too large", `X: ${"y".repeat(70)}\r\n `.repeat(4000), /^552 5\.3\.4 .*header/],
  ["too many fields", "X: y\r\n".repeat(limits.smtp.headerFields + 1), /^554 5\.6\.0 .*fields/],
] as const) {
  test(`${what} is refused at the end, and nothing of it stays in the queue`, async () => {
    const world = new World();
    const { client } = world.connect();
    await say(client, TO_DATA);
    assert.match(await say(client, `${text}\r\n\r\nbody\r\n.\r\n`), code);
    assert.equal(world.messages.length, 0);
    assert.match(await say(client, "NOOP\r\n"), /^250/);
  });
}

test("a message that turns bad on the way is taken back from the queue", async () => {
  const world = new World();
  const { client } = world.connect();
  await say(client, TO_DATA);
  await say(client, `Subject: x\r\n\r\n${"0123456789\r\n".repeat(10_000)}`);
  assert.equal(world.messages[0]?.state, "open");
  assert.match(await say(client, "bare\nline\r\n.\r\n"), /^550 5\.6\.0/);
  assert.equal(world.messages[0]?.state, "aborted");
});

const states: readonly (readonly [what: string, sent: string])[] = [
  ["the greeting", ""],
  ["half a command", "EHL"],
  ["EHLO", HELLO],
  ["MAIL", `${HELLO}MAIL FROM:<b@far.test>\r\n`],
  ["RCPT", `${HELLO}MAIL FROM:<b@far.test>\r\nRCPT TO:<ann@example.test>\r\n`],
  ["DATA", TO_DATA],
  ["half a header", `${TO_DATA}Subject: x\r\nTo`],
  ["half a body", `${TO_DATA}Subject: x\r\n\r\n${"0123456789\r\n".repeat(5000)}`],
  ["CR LF . of the end", `${TO_DATA}Subject: x\r\n\r\nx\r\n.`],
  ["CR LF . CR of the end", `${TO_DATA}Subject: x\r\n\r\nx\r\n.\r`],
  ["STARTTLS", "STARTTLS\r\n"],
];

for (const [what, sent] of states) {
  for (const how of ["closes", "resets"] as const) {
    test(`a client that ${how} behind ${what} leaves no message and no session`, async () => {
      const world = new World();
      const { client, done } = world.connect();
      client.send(sent);
      await settle();
      if (how === "closes") client.close();
      else client.reset();
      await done;
      assert.equal(world.sessions.size, 0);
      assert.ok(world.messages.every(({ state }) => state === "aborted"));
      assert.equal(world.events("smtp_accept").length, 0);
      assert.match(world.events("smtp_disconnect")[0] ?? "", /reason=(?:gone|broken|tls) messages=0/);
    });
  }
}

test("a role that stops tells idle clients at once, and lets a body end", async () => {
  const world = new World();
  const idle = world.connect();
  const busy = world.connect();
  await say(idle.client, `${HELLO}MAIL FROM:<b@far.test>\r\n`);
  await say(busy.client, `${TO_DATA}Subject: x\r\n`);
  for (const session of world.sessions) session.stop();
  assert.match(await heard(idle.client), /^421 4\.3\.2/);
  await idle.done;
  assert.equal(await say(busy.client, "\r\nbody\r\n"), "");
  assert.match(await say(busy.client, ".\r\n"), /^250 2\.0\.0 Queued as m-1\r\n421 4\.3\.2 [^\r]*\r\n$/);
  await busy.done;
  assert.equal(world.messages[0]?.state, "queued");
});

test("more messages than a connection may send are sent on a new one", async () => {
  const world = new World();
  const { client, done } = world.connect();
  await say(client, HELLO);
  for (let at = 0; at < limits.smtp.transactionsPerConnection; at++) client.send("MAIL FROM:<>\r\nRSET\r\n");
  await settle(1100);
  client.drain();
  assert.match(await say(client, "MAIL FROM:<>\r\n"), /^421 4\.7\.0/);
  await done;
});

test("the log tells a message by its id and session, and no secret", async () => {
  const world = new World({ mode: "submissions" });
  const client = await submission(world);
  await say(
    client,
    "MAIL FROM:<ann@example.test>\r\nRCPT TO:<c@far.test>\r\nDATA\r\n.\r\nAUTH PLAIN c2VjcmV0\r\nQUIT\r\n",
  );
  assert.match(
    world.events("smtp_accept")[0] ?? "",
    /session=s1 id=m-1 sender=<ann@example\.test> recipients=c@far\.test/,
  );
  assert.match(world.events("smtp_auth")[0] ?? "", /user=ann@example\.test .*result=ok/);
  assert.match(world.events("smtp_reject")[0] ?? "", /code=503 command=AUTH/);
  assert.doesNotMatch(world.lines.join("\n"), /c2VjcmV0|secret/);
});
