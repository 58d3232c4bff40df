import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import type { Delivery } from "#talk/deliver.ts";
import { settle } from "#test/support/clock.ts";
import { freePort } from "#test/support/loopback.ts";
import {
  BODY,
  bodyOf,
  delivery,
  HASTY,
  STUFFED,
  short,
  textOf,
  WAITS,
  world,
} from "#test/support/remoteworld.ts";
import { type Act, EHLO_OLD, EHLO_TLS, type Script } from "#test/support/smtpsink.ts";
import { need } from "#test/support/tools.ts";
import type { Zones } from "#test/support/zone.ts";

const SMTP_SINK = "/usr/sbin/smtp-sink";

/** As a server without 8BITMIME gets it. */
const ENCODED =
  "Subject: x\r\nContent-Type: text/plain; charset=unknown-8bit\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n..dot\r\nhi =E4\r\n";

test("a message is delivered as it is, dots doubled, in one pipelined group", async (context) => {
  const { remote, sink, lines } = await world(context, [{}]);
  const done = await remote.deliver(delivery(["ann@d.test", "bob b@d.test"]));
  assert.deepEqual(short(done), ["delivered", "delivered"]);
  assert.equal(textOf(done), "mx1.test [127.0.0.1] took it: 250 2.0.0 taken");
  assert.deepEqual(sink.messages, [
    {
      mail: `MAIL FROM:<sam@sender.test> SIZE=${BODY.length} BODY=8BITMIME`,
      rcpts: ["RCPT TO:<ann@d.test>", 'RCPT TO:<"bob b"@d.test>'],
      raw: STUFFED,
      tls: false,
    },
  ]);
  assert.equal(sink.groups[0], "EHLO client.test\r\n");
  assert.match(sink.groups[1] ?? "", /^MAIL .*\r\nRCPT .*\r\nRCPT .*\r\nDATA\r\n$/);
  assert.ok(
    lines.some((line) =>
      / remote_attempt id=abc-1 host=mx1.test ip=127.0.0.1 tls=false result=delivered:2$/.test(line),
    ),
  );
});

test("what a server offers is what it gets", async (context) => {
  const rows: [what: string, script: Script, over: Partial<Delivery>, mail: string][] = [
    ["nothing", { EHLO: EHLO_OLD }, {}, "MAIL FROM:<sam@sender.test>"],
    ["HELO only", { EHLO: "502 what?" }, {}, "MAIL FROM:<sam@sender.test>"],
    ["8BITMIME for 7-bit mail", {}, { body: "7bit" }, `MAIL FROM:<sam@sender.test> SIZE=${BODY.length}`],
    ["the null sender", { EHLO: EHLO_OLD }, { sender: "" }, "MAIL FROM:<>"],
    [
      "SMTPUTF8",
      { EHLO: ["250-s", "250 SMTPUTF8"] },
      { sender: "jürg@sender.test" },
      "MAIL FROM:<j\xc3\xbcrg@sender.test> SMTPUTF8",
    ],
  ];
  for (const [what, script, over, mail] of rows) {
    const { remote, sink } = await world(context, [script]);
    assert.deepEqual(short(await remote.deliver(delivery(undefined, over))), ["delivered"], what);
    assert.equal(sink.messages[0]?.mail, mail, what);
    const old = script.EHLO !== undefined;
    assert.equal(sink.messages[0]?.raw, old ? ENCODED : STUFFED, what);
  }
});

test("without PIPELINING every command waits for its answer", async (context) => {
  const { remote, sink } = await world(context, [{ EHLO: EHLO_OLD }]);
  await remote.deliver(delivery(["a@d.test", "b@d.test"]));
  assert.ok(
    sink.groups.every((group) => group.indexOf("\r\n") === group.length - 2),
    sink.groups.join("|"),
  );
});

const refusing = (line: string) =>
  line.includes("no@")
    ? "550 5.1.1 no such user"
    : line.includes("later@")
      ? "452 4.2.2 mailbox full"
      : line.includes("odd@")
        ? "399 odd"
        : undefined;

/** Both with and without pipelining. */
const verdicts: [what: string, script: Script, to: string[], outcomes: string[], messages: number][] = [
  [
    "recipients mixed",
    { RCPT: refusing },
    ["a@d.test", "no@d.test", "later@d.test", "odd@d.test", "b@d.test"],
    ["delivered", "failed 5.1.1", "deferred 4.2.2", "deferred 4.5.0", "delivered"],
    1,
  ],
  [
    "all recipients refused",
    { RCPT: refusing, DATA: "503 5.5.1 no recipients" },
    ["no@d.test", "later@d.test"],
    ["failed 5.1.1", "deferred 4.2.2"],
    0,
  ],
  ["all refused, and yet DATA is taken", { RCPT: refusing }, ["no@d.test"], ["failed 5.1.1"], -1],
  [
    "sender refused",
    { MAIL: "550 5.7.1 not you", RCPT: "503 order", DATA: "503 order" },
    ["a@d.test", "b@d.test"],
    ["failed 5.7.1", "failed 5.7.1"],
    0,
  ],
  [
    "sender refused for now",
    { MAIL: "451 later", RCPT: "503 order", DATA: "503 order" },
    ["a@d.test"],
    ["deferred 4.0.0"],
    0,
  ],
  ["sender refused, the rest taken", { MAIL: "550 no" }, ["a@d.test"], ["failed 5.0.0"], -1],
  ["DATA refused", { DATA: "554 5.3.0 no" }, ["a@d.test", "b@d.test"], ["failed 5.3.0", "failed 5.3.0"], 0],
  ["DATA refused for now", { DATA: "451 4.3.0 busy" }, ["a@d.test"], ["deferred 4.3.0"], 0],
  ["DATA answered 250", { DATA: "250 what" }, ["a@d.test"], ["deferred 4.5.0"], 0],
  [
    "the message refused",
    { end: "550 5.7.1 spam" },
    ["a@d.test", "b@d.test"],
    ["failed 5.7.1", "failed 5.7.1"],
    1,
  ],
  ["the message refused for now", { end: "451 4.7.1 greylisted" }, ["a@d.test"], ["deferred 4.7.1"], 1],
  ["an enhanced code of another class", { end: "550 4.7.1 confused" }, ["a@d.test"], ["failed 5.0.0"], 1],
];

async function judge(
  context: TestContext,
  row: (typeof verdicts)[number],
  pipelining: boolean,
): Promise<void> {
  const [what, script, to, outcomes, messages] = row;
  const { remote, sink } = await world(context, [pipelining ? script : { ...script, EHLO: EHLO_OLD }]);
  const name = `${what}, ${pipelining ? "" : "not "}pipelined`;
  assert.deepEqual(short(await remote.deliver(delivery(to))), outcomes, name);
  if (messages >= 0) return assert.equal(sink.messages.length, messages, name);
  // a message that was not to be given to anybody was empty
  const raws = sink.messages.map(({ raw }) => raw);
  assert.deepEqual(raws, pipelining ? [""] : [], name);
}

test("answers become outcomes, each recipient its own", async (context) => {
  for (const row of verdicts) {
    await judge(context, row, true);
    await judge(context, row, false);
  }
});

test("the text of the peer is kept, without control characters, and short", async (context) => {
  const { remote, sink } = await world(context, [
    { RCPT: ["550-5.1.1 <a>\x07 unknown", "550 5.1.1 ask postmaster"] },
  ]);
  assert.equal(
    textOf(await remote.deliver(delivery())),
    "mx1.test [127.0.0.1] answered RCPT: 550 5.1.1 <a>? unknown ask postmaster",
  );
  sink.script({ end: `550-${"x".repeat(3000)}\r\n550 ${"y".repeat(3000)}` });
  const text = textOf(await remote.deliver(delivery()));
  assert.ok(text.length <= limits.queue.statusText && text.length > 1000, String(text.length));
});

test("exchangers are tried in their order, until one talks", async (context) => {
  const useless: [what: string, script: Script | "absent"][] = [
    ["nobody listens", "absent"],
    ["busy", { greeting: { say: "421 busy", hangUp: true } }],
    ["closes at once", { greeting: "close" }],
    ["resets", { greeting: "reset" }],
    ["no mail here", { greeting: "554 no mail here" }],
    ["EHLO later", { EHLO: "451 later" }],
    ["EHLO and HELO refused", { EHLO: "550 no", HELO: "550 no" }],
    ["closes after EHLO", { EHLO: "close" }],
    ["greets with garbage", { greeting: { raw: "HTTP/1.1 400 Bad Request\r\n\r\n" } }],
    ["greets with noise", { greeting: { raw: Buffer.alloc(300_000, 0xff) } }],
    ["calls itself as we do", { EHLO: ["250-client.test hello", "250 PIPELINING"] }],
  ];
  for (const [what, script] of useless) {
    const { remote, sinks, lines } = await world(context, [script, {}]);
    assert.deepEqual(short(await remote.deliver(delivery())), ["delivered"], what);
    assert.equal(sinks.at(-1)?.messages.length, 1, what);
    assert.equal(lines.filter((line) => line.includes("remote_attempt")).length, 2, what);
    const alone = await world(context, [script, "absent"]);
    assert.match(short(await alone.remote.deliver(delivery()))[0] ?? "", /^deferred 4\.\d\.\d$/, what);
  }
});

test("the first that talks decides, even by 4xx", async (context) => {
  const { remote, sinks } = await world(context, [{ RCPT: "451 4.7.1 greylisted" }, {}]);
  assert.deepEqual(short(await remote.deliver(delivery())), ["deferred 4.7.1"]);
  assert.equal(sinks[1]?.connections, 0);
});

test("where there is nothing to try, the route's outcome stands", async (context) => {
  const zones: Zones = {
    "null.test": { MX: ["0 ."] },
    "servfail.test": "servfail",
    "nomx.test": { MX: ["5 gone.test"] },
  };
  const { remote } = await world(context, [{}], { zones });
  const rows = [
    ["null.test", "failed 5.1.10"],
    ["servfail.test", "deferred 4.4.3"],
    ["gone.test", "failed 5.1.2"],
    ["nomx.test", "failed 5.4.4"],
  ];
  for (const [domain = "", outcome = ""] of rows)
    assert.deepEqual(short(await remote.deliver(delivery([`a@${domain}`], { domain }))), [outcome], domain);
});

test("a smarthost takes everything, without look-ups of the domain", async (context) => {
  const { remote, sink } = await world(context, [{}], { smarthost: "mx1.test" });
  assert.deepEqual(
    short(await remote.deliver(delivery(["a@nowhere.invalid"], { domain: "nowhere.invalid" }))),
    ["delivered"],
  );
  assert.equal(sink.messages.length, 1);
});

test("TLS is used when offered, and EHLO said again inside", async (context) => {
  const { remote, sink, lines } = await world(context, [{ EHLO: EHLO_TLS }]);
  assert.deepEqual(short(await remote.deliver(delivery())), ["delivered"]);
  assert.equal(sink.messages[0]?.tls, true);
  assert.deepEqual(sink.heard.slice(0, 5), [
    "connect",
    "EHLO client.test",
    "STARTTLS",
    "tls",
    "EHLO client.test",
  ]);
  assert.ok(lines.some((line) => line.includes("tls=true")));
});

test("TLS that fails is given up, mail goes in clear", async (context) => {
  const rows: [what: string, script: Script, connections: number][] = [
    ["refused", { STARTTLS: "454 4.7.0 not now" }, 1],
    ["handshake broken", { tls: "break" }, 2],
    ["answered by noise", { STARTTLS: { raw: "\0\xff\r\n" } }, 2],
    ["closed at the word", { STARTTLS: "close" }, 2],
    ["closed instead", { STARTTLS: { say: "220 go on", hangUp: true } }, 2],
    ["clear text behind the answer", { STARTTLS: ["220 go on", "250 injected"] }, 2],
  ];
  for (const [what, script, connections] of rows) {
    const { remote, sink } = await world(context, [{ ...script, EHLO: EHLO_TLS }]);
    assert.deepEqual(short(await remote.deliver(delivery())), ["delivered"], what);
    assert.equal(sink.messages[0]?.tls, false, what);
    assert.equal(sink.connections, connections, what);
  }
});

const ways: readonly (readonly [way: string, act: Act])[] = [
  ["close", "close"],
  ["reset", "reset"],
  ["421", { say: "421 4.3.2 going down", hangUp: true }],
  ["garbage", { raw: "\0\xff\r\n" }],
  ["half an answer", { raw: "25", hangUp: true }],
  ["a reply without end", { raw: Buffer.from(`250-${"x".repeat(900)}\r\n`.repeat(10_000)) }],
  ["a line without end", { raw: Buffer.alloc(10_000_000, "2") }],
];

async function goAway(
  context: TestContext,
  at: "MAIL" | "RCPT" | "DATA" | "end",
  pipelining: boolean,
): Promise<void> {
  for (const [way, act] of ways) {
    const { remote } = await world(context, [pipelining ? { [at]: act } : { EHLO: EHLO_OLD, [at]: act }]);
    const done = await remote.deliver(delivery());
    const name = `${way} at ${at}: ${textOf(done)}`;
    assert.match(short(done)[0] ?? "", /^deferred 4\./, name);
    if (way === "421") assert.match(textOf(done), /421/, name);
    else assert.equal(textOf(done).startsWith("Possible duplicate! "), at === "end", name);
  }
}

test("a server that goes away at any point leaves the message deferred", async (context) => {
  for (const at of ["MAIL", "RCPT", "DATA", "end"] as const) {
    await goAway(context, at, true);
    await goAway(context, at, false);
  }
});

test("a server that falls silent at any point leaves the message deferred", async (context) => {
  for (const at of ["greeting", "EHLO", "STARTTLS", "MAIL", "RCPT", "DATA", "end"] as const) {
    const { remote } = await world(context, [{ EHLO: EHLO_TLS, [at]: "silent" }], { waits: HASTY });
    const done = await remote.deliver(delivery());
    // TLS that does not come about is done without
    assert.deepEqual(short(done), [at === "STARTTLS" ? "delivered" : "deferred 4.4.2"], at);
  }
});

test("a server that drips is cut off", async (context) => {
  const waits = { ...WAITS, whole: 150 };
  const { remote } = await world(context, [{ EHLO: EHLO_OLD, MAIL: { raw: "250-a\r\n" } }], { waits });
  assert.deepEqual(short(await remote.deliver(delivery())), ["deferred 4.4.2"]);
});

test("a refusal in the middle of the message is heard", async (context) => {
  const openBody = async () => bodyOf(`${"x".repeat(76)}\r\n`.repeat(400_000), 65_536);
  const { remote } = await world(
    context,
    [{ EHLO: EHLO_OLD, duringBody: { say: "552 5.3.4 too big", hangUp: true } }],
    { openBody },
  );
  assert.match(short(await remote.deliver(delivery()))[0] ?? "", /^(failed 5\.3\.4|deferred 4\.4\.2)$/);
});

test("a large body is sent in parts, whole", async (context) => {
  const text = `${"0123456789".repeat(7)}\r\n`.repeat(30_000);
  const { remote, sink } = await world(context, [{ EHLO: EHLO_OLD }], {
    openBody: async () => bodyOf(text, 65_536),
  });
  assert.deepEqual(short(await remote.deliver(delivery())), ["delivered"]);
  assert.equal(sink.messages[0]?.raw === text, true);
});

test("a body that cannot be read is never sent half", async (context) => {
  const broken = new Trouble("read", "Cannot read", { code: "EIO" });
  const openBody = async () => ({
    ...bodyOf(BODY, 1),
    async *chunks() {
      yield Buffer.from("half\r\n");
      throw broken;
    },
  });
  const { remote, sink } = await world(context, [{}], { openBody });
  assert.deepEqual(short(await remote.deliver(delivery())), ["deferred 4.3.0"]);
  assert.equal(sink.messages.length, 0);
  const none = await world(context, [{}], { openBody: () => Promise.reject(broken) });
  assert.deepEqual(short(await none.remote.deliver(delivery())), ["deferred 4.3.0"]);
});

test("what the server rules out is not tried", async (context) => {
  const small = await world(context, [{ EHLO: ["250-s", "250 SIZE 10"] }]);
  assert.deepEqual(short(await small.remote.deliver(delivery())), ["failed 5.3.4"]);
  const ascii = await world(context, [{}]);
  assert.deepEqual(short(await ascii.remote.deliver(delivery(["jürg@d.test", "ann@d.test"]))), [
    "failed 5.6.7",
    "delivered",
  ]);
  assert.deepEqual(short(await ascii.remote.deliver(delivery(["a\r\nRCPT TO:<x>@d.test", "ann@d.test"]))), [
    "failed 5.1.3",
    "delivered",
  ]);
  assert.deepEqual(short(await ascii.remote.deliver(delivery(["ann@d.test"], { sender: "a\nb@x" }))), [
    "failed 5.1.7",
  ]);
  assert.equal(
    ascii.sink.heard.some((line) => line.includes("<x>")),
    false,
  );
});

test("a connection is used again, and a dead one is replaced without a word", async (context) => {
  const { remote, sink } = await world(context, [{}]);
  await remote.deliver(delivery());
  await remote.deliver(delivery());
  assert.deepEqual([sink.connections, sink.messages.length], [1, 2]);
  // after refusals too, since RSET was said
  sink.script({ RCPT: "550 no", DATA: "503 no" });
  await remote.deliver(delivery());
  assert.equal(sink.connections, 1);
  sink.script({ MAIL: (_, n) => (n === 0 ? "close" : undefined) });
  assert.deepEqual(short(await remote.deliver(delivery())), ["delivered"]);
  assert.equal(sink.connections, 2);
  sink.script({ MAIL: (_, n) => (n === 0 ? { say: "421 idle too long", hangUp: true } : undefined) });
  assert.deepEqual(short(await remote.deliver(delivery())), ["delivered"]);
  assert.equal(sink.connections, 3);
  remote.close();
  while (!sink.heard.includes("QUIT")) await settle();
});

test("an answer too many makes a connection unfit for more", async (context) => {
  const { remote, sink } = await world(context, [{ end: { raw: "250 taken\r\n250 and more\r\n" } }]);
  await remote.deliver(delivery());
  await remote.deliver(delivery());
  assert.equal(sink.connections, 2);
});

test("more recipients than a transaction takes are several transactions", async (context) => {
  const { remote, sink } = await world(context, [{}]);
  const many = Array.from({ length: limits.remote.recipients * 2 + 1 }, (_, n) => `u${n}@d.test`);
  const done = await remote.deliver(delivery(many));
  assert.deepEqual(new Set(short(done)), new Set(["delivered"]));
  assert.equal(done.outcomes.length, many.length);
  assert.deepEqual(
    sink.messages.map(({ rcpts }) => rcpts.length),
    [100, 100, 1],
  );
  assert.equal(sink.connections, 1);
});

test("Postfix's smtp-sink takes what we send", async (context) => {
  if (!need(context, SMTP_SINK)) return;
  const port = await freePort();
  const directory = mkdtempSync(path.join(tmpdir(), "kenro-sink-"));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  // one file per message, with what the envelope said in X- fields
  const run = spawn(SMTP_SINK, ["-c", "-d", "%M.", "-u", userInfo().username, `127.0.0.1:${port}`, "10"], {
    cwd: directory,
  });
  context.after(() => run.kill());
  const { remote } = await world(context, [{}], { port });
  let done = await remote.deliver(delivery());
  // it needs a moment until it listens
  for (let n = 0; n < 100 && short(done)[0] === "deferred 4.4.1"; n++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    done = await remote.deliver(delivery());
  }
  assert.deepEqual(short(done), ["delivered"], textOf(done));
  assert.deepEqual(short(await remote.deliver(delivery(["a@d.test", "b@d.test"]))), [
    "delivered",
    "delivered",
  ]);
  remote.close();
  const files = readdirSync(directory).map((name) => readFileSync(path.join(directory, name), "latin1"));
  assert.equal(files.length, 2);
  assert.ok(
    files.every((file) => file.includes("\n.dot\nhi \xe4\n")),
    files.join(),
  );
});
