import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "node:test";
import { systemClock } from "#base/clock.ts";
import { type Asked, startClamd, startRspamd, VIRUS } from "#test/support/checkers.ts";
import { checker, examine, subject } from "#test/support/examine.ts";
import { freePort } from "#test/support/loopback.ts";
import { Examination } from "./examination.ts";

test("ClamAV sees the whole message and names what it finds; over TCP and over a Unix socket", async (context) => {
  const directory = mkdtempSync(path.join(tmpdir(), "kenro-clamd-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  for (const at of [undefined, path.join(directory, "clamd.ctl")]) {
    const clamd = await startClamd(at === undefined ? {} : { path: at });
    context.after(() => clamd.close());
    const one = checker({ address: clamd.address });
    await one.ping();
    const large = Buffer.alloc(300_000, "0123456789\r\n");
    assert.deepEqual(await examine(one, ["a", "", large, "b"]), { kind: "clean", evidence: "", fields: [] });
    const whole = Buffer.concat([subject.header, Buffer.from("a"), large, Buffer.from("b")]);
    assert.ok(clamd.scanned[0]?.equals(whole));
    assert.deepEqual(await examine(one, [large, VIRUS.slice(0, 9), VIRUS.slice(9)]), {
      kind: "refuse",
      code: 550,
      enhanced: "5.7.1",
      text: "The message has a virus: Kenro.Test.Signature",
      evidence: "Kenro.Test.Signature",
    });
    assert.equal((await examine(one, [], { header: Buffer.alloc(0) })).kind, "clean");
    assert.equal(clamd.scanned[2]?.length, 0);
  }
});

const rows: readonly (readonly [what: string, answer: string | undefined, why: RegExp])[] = [
  ["an error", "INSTREAM: Can't open file or directory ERROR\0", /^It says: INSTREAM: Can't open/],
  ["another answer", "PONG\0", /^It answers another question/],
  ["no NUL", "stream: OK", /^It has closed without an answer/],
  ["nothing", "", /^It has closed without an answer/],
  ["too much", "x".repeat(10_000), /^It sends an answer that is too long/],
  ["silence", undefined, /^It took longer than 300 ms/],
];

for (const [what, answer, why] of rows) {
  test(`ClamAV that answers with ${what} is no verdict`, async (context) => {
    const clamd = await startClamd({ answer: () => answer });
    context.after(() => clamd.close());
    const outcome = await examine(checker({ address: clamd.address, timeout: 300 }));
    assert.equal(outcome.kind, "unknown");
    assert.match("why" in outcome ? outcome.why : "", why);
  });
}

test("a message larger than clamd takes is no verdict, and it says why", async (context) => {
  const clamd = await startClamd({ most: 100_000 });
  context.after(() => clamd.close());
  const parts = Array.from({ length: 100 }, () => Buffer.alloc(32_768, "x"));
  const outcome = await examine(checker({ address: clamd.address }), parts);
  assert.equal(outcome.kind, "unknown");
  assert.match("why" in outcome ? outcome.why : "", /size limit exceeded|closed|EPIPE|ECONNRESET/);
});

test("a checker that is not there is no verdict, and its ping fails", async () => {
  const port = await freePort();
  for (const kind of ["clamav", "rspamd", "milter"] as const) {
    for (const address of [`127.0.0.1:${port}`, "unix:/nonexistent/socket"]) {
      const one = checker({ kind, address });
      const outcome = await examine(one);
      assert.match("why" in outcome ? outcome.why : "", /^Cannot connect to /, `${kind} ${address}`);
      await assert.rejects(one.ping(), /Cannot connect to/);
    }
  }
});

test("a checker that accepts connections and keeps silent costs its time, once, whatever the message", async (context) => {
  const server = net.createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => void server.close());
  const address = `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
  for (const kind of ["clamav", "rspamd", "milter"] as const) {
    const began = performance.now();
    const outcome = await examine(checker({ kind, address, timeout: 200 }), ["a", "b", "c"]);
    assert.deepEqual(outcome, { kind: "unknown", why: "It took longer than 200 ms" });
    assert.ok(performance.now() - began < 2000);
  }
});

test("a slow checker holds back who writes, and keeps next to nothing", async (context) => {
  const stalled = Promise.withResolvers<void>();
  const clamd = await startClamd({ stalled: stalled.promise });
  context.after(() => clamd.close());
  const one = new Examination(checker({ address: clamd.address }), subject, systemClock);
  const piece = Buffer.alloc(32_768, "x");
  let taken = 0;
  const writing = (async () => {
    for (; taken < 1000; taken++) await one.write([piece]);
  })();
  let before = -1;
  for (let quiet = 0; quiet < 5; quiet = taken === before ? quiet + 1 : 0) {
    before = taken;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  // what the kernel's buffers of a loopback connection hold
  assert.ok(taken * piece.length < 16_000_000, `${taken * piece.length} bytes were taken`);
  stalled.resolve();
  await writing;
  assert.deepEqual((await one.finish()).kind, "clean");
  assert.equal(clamd.scanned[0]?.length, subject.header.length + 1000 * piece.length);
});

test("the time of the client does not count", async (context) => {
  const clamd = await startClamd();
  context.after(() => clamd.close());
  const one = new Examination(checker({ address: clamd.address, timeout: 500 }), subject, systemClock);
  for (let part = 0; part < 4; part++) {
    await one.write([Buffer.from("x")]);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.equal((await one.finish()).kind, "clean");
  assert.ok(one.waited < 500);
});

test("rspamd gets the session in fields and the message as the body, in chunks", async (context) => {
  const rspamd = await startRspamd(() => ({ action: "no action", score: 1.25, required_score: 15 }));
  context.after(() => rspamd.close());
  const one = checker({ kind: "rspamd", address: rspamd.address });
  await one.ping();
  const large = Buffer.alloc(200_000, "0123456789\r\n");
  const outcome = await examine(one, ["a", large], { user: "ann", tls: { version: "TLSv1.3", cipher: "X" } });
  assert.deepEqual(outcome, { kind: "clean", evidence: "no action, 1.25 of 15", fields: [] });
  const asked = rspamd.asked[0] as Asked;
  assert.deepEqual([asked.method, asked.url], ["POST", "/checkv2"]);
  assert.ok(asked.body.equals(Buffer.concat([subject.header, Buffer.from("a"), large])));
  assert.deepEqual(
    asked.fields.filter(([name]) => !["Host", "Connection", "Transfer-Encoding"].includes(name)),
    [
      ["IP", "192.0.2.7"],
      ["Hostname", "c.example.test"],
      ["Helo", "helo.example.test"],
      ["From", "a@far.test"],
      ["Rcpt", "ann@example.test"],
      ["Rcpt", "bob@example.test"],
      ["Queue-Id", "m-1"],
      ["User", "ann"],
      ["MTA-Name", "mail.example.test"],
      ["TLS-Version", "TLSv1.3"],
      ["TLS-Cipher", "X"],
    ],
  );
});

test("rspamd's actions", async (context) => {
  let answer: unknown;
  const rspamd = await startRspamd(() => answer);
  context.after(() => rspamd.close());
  const one = checker({ kind: "rspamd", address: rspamd.address, timeout: 1000 });
  const milter = { add_headers: { "X-Spam": "maybe", "X-Score": { value: "9" } } };
  const table: readonly (readonly [unknown, string])[] = [
    [{ action: "reject", score: 20 }, "554 5.7.1 The message looks like spam"],
    [{ action: "reject", messages: { smtp_message: "Go away" } }, "554 5.7.1 Go away"],
    [{ action: "soft reject" }, "451 4.7.1 Try again later"],
    [{ action: "greylist" }, "clean "],
    [{ action: "no action", milter }, "clean X-Spam=maybe X-Score=9"],
    [{ action: "add header", milter }, "clean X-Spam=Yes X-Score=9"],
    [{ action: "rewrite subject" }, "clean X-Spam=Yes"],
    [{ action: "something of ours" }, "clean "],
    [404, "unknown It answers 404: no"],
    [
      "{}",
      'unknown It sends an answer that cannot be read: "value.action" is not text of at most 100 characters',
    ],
    ["nonsense", "unknown It sends an answer that cannot be read: not JSON"],
    [undefined, "unknown It took longer than 1000 ms"],
  ];
  for (const [given, wanted] of table) {
    answer = given;
    const outcome = await examine(one);
    const said =
      outcome.kind === "refuse"
        ? `${outcome.code} ${outcome.enhanced} ${outcome.text}`
        : outcome.kind === "clean"
          ? `clean ${outcome.fields.map(([name, value]) => `${name}=${value}`).join(" ")}`
          : `unknown ${outcome.why}`;
    assert.equal(said, wanted, String(JSON.stringify(given)));
  }
});
