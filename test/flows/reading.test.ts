// Reading mail with clients nobody here wrote: imapflow, and Python's imaplib and poplib where there is a Python.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import test from "node:test";
import { promisify } from "node:util";
import { ImapFlow } from "imapflow";
import { ReadingWorld } from "#test/support/reading.ts";
import { need } from "#test/support/tools.ts";

/** Messages as files hold them (LF), and as clients must get them. */
const messages = [
  ["plain", "Subject: plain\n\nbody\n"],
  ["dots", "Subject: dots\n\n.\n..\n.end\n"],
  ["no final newline", "Subject: open\n\nends here"],
  ["ends in a lone dot", "Subject: dot\n\n."],
  ["8-bit", "Subject: \xe4\n\n\xff\xfe\x80 \xc3\xa4\n"],
  ["a lone CR", "Subject: cr\n\na\rb\n"],
  ["CRLF in the file", "Subject: crlf\r\n\r\n.a\r\nb\r\n"],
  ["header only", "Subject: header\n\n"],
  ["long line", `Subject: long\n\n${"x".repeat(100_000)}\n`],
  ["large", `Subject: large\n\n${`.${"y".repeat(75)}\n`.repeat(10_000)}`],
] as const;

const wire = (text: string) => Buffer.from(text.replaceAll(/(?<!\r)\n/g, "\r\n"), "latin1");

async function withMessages(run: (world: ReadingWorld) => Promise<void>): Promise<void> {
  const world = await ReadingWorld.start();
  try {
    for (const [, text] of messages) world.put(text);
    await run(world);
  } finally {
    await world.stop();
  }
}

/** What a Python program prints, with the port as its argument. */
async function runPython(program: string, port: number): Promise<string> {
  const { stdout } = await promisify(execFile)("python3", ["-c", program, String(port)], {
    maxBuffer: 64 << 20,
    timeout: 60_000,
  });
  return stdout;
}

/** "hex of message 1" and so on, a line each. */
function assertMessages(lines: string, expected: readonly Buffer[]): void {
  const got = lines.trim().split("\n");
  assert.equal(got.length, messages.length);
  for (const [at, [name]] of messages.entries()) {
    assert.equal(got[at], expected[at]?.toString("hex"), name);
  }
}

test("imaplib gets every message byte for byte, over STARTTLS", async (context) => {
  if (!need(context, "python3")) return;
  await withMessages(async (world) => {
    const out = await runPython(
      `
import imaplib, ssl, sys
c = imaplib.IMAP4('127.0.0.1', int(sys.argv[1]))
c.starttls(ssl._create_unverified_context())
c.login('ann@example.test', 'secret')
c.select('INBOX')
for i in range(1, ${messages.length + 1}):
    r = c.fetch(str(i), '(RFC822.SIZE BODY.PEEK[])')[1]
    size = int(r[0][0].split(b'RFC822.SIZE ')[1].split()[0])
    assert size == len(r[0][1]), (i, size, len(r[0][1]))
    print(r[0][1].hex())
c.logout()
`,
      world.ports.imap,
    );
    assertMessages(
      out,
      messages.map(([, text]) => wire(text)),
    );
  });
});

test("poplib gets every message, its last line ended", async (context) => {
  if (!need(context, "python3")) return;
  await withMessages(async (world) => {
    const out = await runPython(
      `
import poplib, ssl, sys
poplib._MAXLINE = 1 << 20
c = poplib.POP3_SSL('127.0.0.1', int(sys.argv[1]), context=ssl._create_unverified_context())
c.user('ann@example.test'); c.pass_('secret')
for i in range(1, ${messages.length + 1}):
    lines = c.retr(i)[1]
    print(b''.join(line + b'\\r\\n' for line in lines).hex())
assert len(c.top(1, 0)[1]) == 2
c.dele(1)
c.quit()
c = poplib.POP3_SSL('127.0.0.1', int(sys.argv[1]), context=ssl._create_unverified_context())
c.user('ann@example.test'); c.pass_('secret')
assert c.stat()[0] == ${messages.length - 1}
`,
      world.ports.pop3s,
    );
    // POP3 has no way to tell that the last line has no end (RFC 1939 §3)
    const expected = messages.map(([, text]) => wire(text.endsWith("\n") ? text : `${text}\n`));
    assertMessages(out, expected);
  });
});

test("imapflow reads, files, searches, moves and hears of new mail", () =>
  withMessages(async (world) => {
    const client = new ImapFlow({
      host: "127.0.0.1",
      port: world.ports.imaps,
      secure: true,
      auth: { user: "ann@example.test", pass: "secret" },
      tls: { rejectUnauthorized: false },
      logger: false,
    });
    await client.connect();
    const lock = await client.getMailboxLock("INBOX");
    try {
      let at = 0;
      for await (const message of client.fetch("1:*", {
        source: true,
        size: true,
        envelope: true,
        bodyStructure: true,
      })) {
        const [name = "", text = ""] = messages[at++] ?? [];
        assert.deepEqual(message.source, wire(text), name);
        assert.equal(message.size, wire(text).length, name);
      }
      assert.equal(at, messages.length);

      const appended = await client.append(
        "INBOX",
        "Subject: f\xfcr\r\n\r\nx",
        ["\\Seen"],
        new Date(Date.UTC(2020, 1, 1)),
      );
      assert.ok(appended && appended.uid === messages.length + 1);
      await client.mailboxCreate("Ablage/Entwürfe v1.0");
      await client.messageMove("1:2", "Ablage/Entwürfe v1.0");
      const status = await client.status("Ablage/Entwürfe v1.0", { messages: true });
      assert.equal(status ? status.messages : 0, 2);
      assert.deepEqual(await client.search({ subject: "dot" }), [2]);
      assert.equal(await client.messageFlagsAdd("1", ["\\Flagged"]), true);
      assert.deepEqual(await client.search({ flagged: true }), [1]);

      const heard = new Promise((resolve) => client.once("exists", resolve));
      void client.idle();
      setTimeout(() => world.put("Subject: new\n\nx\n"), 200);
      await heard;
    } finally {
      lock.release();
    }
    await client.logout();
  }));

test("a large message comes whole in parts, as some clients fetch it", () =>
  withMessages(async (world) => {
    const client = await world.connect("imap");
    const [, text] = messages[messages.length - 1] ?? ["", ""];
    const whole = wire(text);
    client.send(Buffer.from("a LOGIN ann@example.test secret\r\nb EXAMINE INBOX\r\n"));
    let said = Buffer.alloc(0);
    const until = async (mark: string) => {
      while (!said.includes(mark)) {
        const chunk = await client.receive();
        assert.ok(chunk, "closed");
        said = Buffer.concat([said, chunk]);
      }
      const end = said.indexOf(mark) + mark.length;
      const part = said.subarray(0, end);
      said = said.subarray(end);
      return part;
    };
    await until("b OK");
    const parts: Buffer[] = [];
    const size = 77_777;
    for (let at = 0; at < whole.length; at += size) {
      client.send(Buffer.from(`p${at} FETCH ${messages.length} BODY.PEEK[]<${at}.${size}>\r\n`));
      const answer = await until(`)\r\np${at} OK Fetched\r\n`);
      const start = answer.indexOf(`BODY[]<${at}> {`);
      const body = answer.indexOf("\r\n", start) + 2;
      parts.push(answer.subarray(body, answer.length - `)\r\np${at} OK Fetched\r\n`.length));
    }
    assert.deepEqual(Buffer.concat(parts), whole);
    client.close();
  }));
