// QMTP and QMQP byte by byte: what comes in, what is answered, what the queue gets (docs/qmtp.md).

import assert from "node:assert/strict";
import test from "node:test";
import { settle } from "#test/support/clock.ts";
import { formatNetstring } from "#wire/netstring.ts";
import { World } from "./world.ts";

const latin = (text: string) => Buffer.from(text, "latin1");
const net = (...parts: readonly string[]): string =>
  formatNetstring(...parts.map((part) => latin(part))).toString("latin1");

/** A message as a QMTP client sends it. */
const qmtp = (message: string, sender: string, ...recipients: readonly string[]): string =>
  net(message) + net(sender) + net(recipients.map((each) => net(each)).join(""));

const qmqp = (message: string, sender: string, ...recipients: readonly string[]): string =>
  net(net(message), net(sender), ...recipients.map((each) => net(each)));

interface Said {
  /** Answers, without their netstrings. */
  readonly answers: readonly string[];
  readonly closed: boolean;
  readonly world: World;
}

/** What is answered to bytes that come in these pieces; the client does not close. */
async function say(given: Readonly<Record<string, string>>, pieces: readonly string[]): Promise<Said> {
  const world = new World(given);
  const { client, done } = world.connect();
  for (const piece of pieces) {
    client.send(latin(piece));
    await settle(2);
  }
  await settle();
  const { closed } = client;
  const answers = parse(client.drain().toString("latin1"));
  client.close();
  await done;
  return { answers, closed, world };
}

function parse(text: string): readonly string[] {
  const found: string[] = [];
  let rest = text;
  while (rest !== "") {
    const [head = "", length = ""] = /^(\d+):/.exec(rest) ?? assert.fail(`no netstring: ${rest}`);
    found.push(rest.slice(head.length, head.length + Number(length)));
    assert.equal(rest[head.length + Number(length)], ",");
    rest = rest.slice(head.length + Number(length) + 1);
  }
  return found;
}

const OK = /^Kok 1767225600 qp m-\d+$/;
const ANN = "ann@example.test";
const RELAY = "Dsorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)";
const BAD = "Dsorry, I can't handle that recipient (#5.1.3)";
const SIZE = "Dsorry, that message size exceeds my databytes limit (#5.3.4)";

type Row = readonly [
  what: string,
  sent: string,
  answers: readonly (string | RegExp)[],
  given?: Record<string, string>,
];

const rows: readonly Row[] = [
  ["a message with LF", qmtp("\nSubject: x\n\nhello\n", "a@far.test", ANN), [OK]],
  ["a message with CR LF", qmtp("\rSubject: x\r\n\r\nhello\r\n", "a@far.test", ANN), [OK]],
  ["the null sender", qmtp("\n\n", "", ANN), [OK]],
  [
    "an answer for each recipient",
    qmtp(
      "\nx\n",
      "a@far.test",
      ANN,
      "no@example.test",
      "x@far.test",
      "b\0b",
      "y".repeat(1000),
      "bob@example.test",
      "@",
    ),
    [OK, "DNo such user here (#5.1.1)", RELAY, BAD, BAD, OK, BAD],
  ],
  ["no recipient", qmtp("\nx\n", "a@far.test"), []],
  ["nobody who exists", qmtp("\nx\n", "a@far.test", "x@far.test"), [RELAY]],
  ["a sender that is none", qmtp("\nx\n", "a@", ANN, "b\0"), ["Dunacceptable sender (#5.1.7)", BAD]],
  ["a sender with NUL", qmtp("\nx\n", "a\0@far.test", ANN), ["Dunacceptable sender (#5.1.7)"]],
  ["a sender that is too long", qmtp("\nx\n", "a".repeat(1000), ANN), ["Dunacceptable sender (#5.1.7)"]],
  [
    "a message that is too large",
    qmtp(`\n${"x".repeat(100_001)}`, "a@far.test", ANN),
    [SIZE],
    { size: "100000" },
  ],
  [
    "one that is as large as it may be",
    qmtp(`\n${"x".repeat(99_998)}`, "a@far.test", ANN),
    [OK],
    { size: "100000" },
  ],
  [
    "one that is too large with CR LF",
    qmtp(`\n${"\n".repeat(60_000)}`, "a@far.test", ANN),
    [SIZE],
    { size: "100000" },
  ],
  ["bare LF", qmtp("\rx\ny\r\n", "a@far.test", ANN), [/^DRefused: .* \(#5\.6\.0\)$/]],
  ["bare CR", qmtp("\nx\ry\n", "a@far.test", ANN), [/^DRefused: .* \(#5\.6\.0\)$/]],
  ["NUL", qmtp("\nx\0y\n", "a@far.test", ANN), [/^DRefused: .* NUL \(#5\.6\.0\)$/]],
  [
    "a loop",
    qmtp(`\n${"Received: x\n".repeat(100)}\n`, "a@far.test", ANN),
    [/^DToo many hops.*\(#5\.4\.6\)$/],
  ],
  ["a full queue", qmtp("\nx\n", "a@far.test", ANN), [/^Z.* \(#4\.3\.1\)$/], { queue: "full" }],
  ["a queue that is away", qmtp("\nx\n", "a@far.test", ANN), [/^Z.* \(#4\.3\.0\)$/], { queue: "away" }],
  ["auth that is away", qmtp("\nx\n", "a@far.test", ANN), [/^Z.* \(#4\.3\.0\)$/], { auth: "away" }],
  [
    "more recipients than it takes",
    qmtp("\nx\n", "a@far.test", ...Array.from({ length: 3 }, (_, n) => (n === 0 ? ANN : "bob@example.test"))),
    [OK, "Zsorry, too many recipients at once (#4.5.3)", "Zsorry, too many recipients at once (#4.5.3)"],
    { recipients: "1" },
  ],
];

const matches = (answers: readonly string[], wanted: readonly (string | RegExp)[], what: string) => {
  assert.equal(answers.length, wanted.length, `${what}: ${JSON.stringify(answers)}`);
  for (const [at, each] of wanted.entries())
    if (typeof each === "string") assert.equal(answers[at], each);
    else assert.match(answers[at] ?? "", each);
};

for (const [what, sent, answers, given = {}] of rows) {
  test(`QMTP: ${what}`, async () => {
    const said = await say({ mode: "qmtp", ...given }, [sent]);
    matches(said.answers, answers, what);
    assert.equal(said.closed, false);
    assert.ok(said.world.messages.every(({ state }) => state !== "open"));
    // byte by byte it is the same
    if (sent.length < 2000) {
      const slowly = await say({ mode: "qmtp", ...given }, [...sent]);
      assert.deepEqual(slowly.answers, said.answers);
    }
  });
}

test("QMTP: several messages on one connection, sent at once, and what the queue gets", async () => {
  const { answers, world } = await say({ mode: "qmtp" }, [
    qmtp("\nSubject: one\n\n.\n..\n", "a@far.test", ANN) +
      qmtp("\rSubject: two\r\n\r\nb\xe4r", "", "bob@example.test", ANN) +
      qmtp("\nx\n", "a@far.test", "x@far.test") +
      qmtp("\nSubject: three\n\n", "A B@Far.TEST", '"ann"@example.test'.replaceAll('"', "")),
  ]);
  assert.deepEqual(
    answers.map((each) => each[0]),
    ["K", "K", "K", "D", "K"],
  );
  const [one, two, three] = world.messages.filter(({ state }) => state === "queued");
  const text = one?.body.toString("latin1") ?? "";
  assert.match(
    text,
    /^Received: from \[192\.0\.2\.7\] \(\[192\.0\.2\.7\]\)\r\n\tby mail\.example\.test with QMTP\r\n\tid m-1\r\n\tfor <ann@example\.test>;\r\n/,
  );
  assert.ok(text.endsWith("\r\nSubject: one\r\n\r\n.\r\n..\r\n"), text);
  assert.equal(one?.envelope.body, "7bit");
  assert.ok(two?.body.toString("latin1").endsWith("\r\nSubject: two\r\n\r\nb\xe4r\r\n"));
  assert.deepEqual(
    [two?.envelope.sender, two?.envelope.body, two?.envelope.recipients.length, two?.envelope.submitted],
    ["", "8bitmime", 2, false],
  );
  assert.equal(three?.envelope.sender, '"A B"@far.test');
});

const garbage: readonly (readonly [what: string, sent: string])[] = [
  ["no length", "x"],
  ["a length without end", "0".repeat(50)],
  ["digits without end", "1".repeat(50)],
  ["9999999999", "9999999999:"],
  ["an empty message", "0:,"],
  ["an encoding that nobody knows", net("x")],
  ["no comma", "2:\nx;"],
  ["a list longer than what is in it", `${net("\nx")}${net("a@b.test")}5:1:ab,`],
  ["a recipient longer than the list", `${net("\nx")}${net("a@b.test")}4:9:a,,`],
  ["a list that is too long", `${net("\nx")}${net("a@b.test")}9999999:`],
  ["an SMTP client", "EHLO x.test\r\n"],
  ["an HTTP client", "GET / HTTP/1.1\r\n\r\n"],
];

for (const [what, sent] of garbage) {
  for (const mode of ["qmtp", "qmqp"]) {
    test(`${mode}: ${what} ends the connection, and nothing is queued`, async () => {
      const whole = mode === "qmqp" && /^\d+:\n/.test(sent) ? `9999:${sent}x;` : sent;
      const { answers, closed, world } = await say({ mode }, [whole]);
      if (mode === "qmtp" || !/^\d+:\n/.test(sent)) assert.equal(closed, true);
      assert.deepEqual(answers, []);
      assert.ok(world.messages.every(({ state }) => state === "aborted"));
    });
  }
}

test("QMTP: ten thousand recipients are answered, more end the connection", async () => {
  const many = (count: number) => qmtp("\nx\n", "a@far.test", ...Array.from({ length: count }, () => "b\0"));
  assert.equal((await say({ mode: "qmtp" }, [many(10_000)])).answers.length, 10_000);
  const more = await say({ mode: "qmtp" }, [many(10_001)]);
  assert.deepEqual([more.answers.length, more.closed], [0, true]);
});

test("QMTP: too many refusals end the connection behind the answers", async () => {
  const guesses = Array.from({ length: 9 }, (_, at) => `guess${at}@example.test`);
  const { answers, closed } = await say({ mode: "qmtp", errors: "5" }, [
    qmtp("\nx\n", "a@far.test", ...guesses) + qmtp("\nx\n", "a@far.test", ANN),
  ]);
  assert.deepEqual(answers, Array(9).fill("DNo such user here (#5.1.1)"));
  assert.equal(closed, true);
});

for (const [mode, sent] of [
  ["qmtp", qmtp("\nx\n", "a@far.test", ANN)],
  ["qmqp", qmqp("x\n", "a@far.test", ANN)],
] as const) {
  test(`${mode}: a client that drips is not waited for`, async () => {
    const world = new World({ mode });
    const { client, done } = world.connect();
    for (const char of sent.slice(0, -1)) {
      client.send(latin(char));
      await world.clock.advance(5000);
    }
    await world.clock.advance(3 * 60_000);
    await done;
    assert.equal(client.closed, true);
    assert.match(world.events("smtp_disconnect")[0] ?? "", /reason=timeout/);
    assert.deepEqual(world.messages, []);
  });

  test(`${mode}: a client that leaves in the middle leaves nothing`, async () => {
    for (let at = 0; at < sent.length; at++) {
      const { world, answers } = await say({ mode }, [sent.slice(0, at)]);
      assert.deepEqual([world.messages.length, answers.length], [0, 0]);
    }
  });
}

test("QMTP: messages whose envelope is on its way share memory; who finds none waits his turn", async () => {
  const world = new World({ mode: "qmtp" });
  const [first, second] = [world.connect(), world.connect()];
  const large = qmtp(`\n\n${"x".repeat(600_000)}`, "a@far.test", ANN);
  first.client.send(latin(large.slice(0, -30)));
  await settle();
  second.client.send(latin(large));
  await settle();
  assert.equal(second.client.drain().length, 0);
  first.client.close();
  await first.done;
  await settle();
  matches(parse(second.client.drain().toString()), [OK], "the second");
  second.client.close();
  await second.done;
});

test("stop() ends a connection that waits, and one with a message under way behind its answer", async () => {
  const world = new World({ mode: "qmtp" });
  const [idle, busy] = [world.connect(), world.connect()];
  const message = qmtp("\nx\n", "a@far.test", ANN);
  busy.client.send(latin(message.slice(0, 10)));
  await settle();
  for (const session of world.sessions) session.stop();
  await settle();
  assert.deepEqual([idle.client.closed, busy.client.closed], [true, false]);
  busy.client.send(latin(message.slice(10)));
  await settle();
  matches(parse(busy.client.drain().toString()), [OK], "the answer");
  assert.equal(busy.client.closed, true);
});

const many = Array.from({ length: 101 }, (_, at) => `r${at}@far.test`);

const queries: readonly Row[] = [
  ["a message to anybody", qmqp("Subject: x\n\nhello\n", "a@far.test", ANN, "x@elsewhere.test"), [OK]],
  ["a message to nobody we know", qmqp("x\n", "a@far.test", "no@example.test"), [OK]],
  ["the null sender", qmqp("\n", "", ANN), [OK]],
  ["a VERP sender", qmqp("x\n", "list-@far.test-@[]", ANN), [OK]],
  ["a sender of bounces that bounced", qmqp("x\n", "#@[]", ANN), [OK]],
  [
    "an address with NUL",
    qmqp("x\n", "a@far.test", ANN, "b\0"),
    ["Dsorry, I can't accept addresses like that (#5.1.3)"],
  ],
  [
    "a long address",
    qmqp("x\n", "a".repeat(1000), ANN),
    ["Dsorry, I can't accept addresses like that (#5.1.3)"],
  ],
  ["no recipients", qmqp("x\n", "a@far.test"), ["Dsorry, that message has no recipients (#5.5.1)"]],
  [
    "too many recipients",
    qmqp("x\n", "a@far.test", ...many),
    ["Dsorry, too many recipients in one message (#5.5.3)"],
  ],
  ["a message that is too large", qmqp("x".repeat(100_001), "a@far.test", ANN), [SIZE], { size: "100000" }],
  ["a full queue", qmqp("x\n", "a@far.test", ANN), [/^Z.* \(#4\.3\.1\)$/], { queue: "full" }],
  ["a queue that never takes it", qmqp("x\n", "a@far.test", ANN), [/^D/], { queue: "never" }],
];

for (const [what, sent, answers, given = {}] of queries) {
  test(`QMQP: ${what}, and the connection ends`, async () => {
    const said = await say({ mode: "qmqp", ...given }, [sent]);
    matches(said.answers, answers, what);
    assert.equal(said.closed, true);
    if (sent.length < 2000)
      assert.deepEqual((await say({ mode: "qmqp", ...given }, [...sent])).answers, said.answers);
  });
}

test("QMQP: the queue gets the message as it came, from one of ours", async () => {
  const sent = qmqp(
    "Subject: x\nBcc: y\n\nhello",
    "list-@far.test-@[]",
    "a b@Far.Test",
    "nohost",
    "Postmaster",
  );
  const { world } = await say({ mode: "qmqp" }, [sent]);
  const [message] = world.messages;
  assert.match(
    message?.body.toString() ?? "",
    /with QMQP\r\n\tid m-1;\r\n\t[^\n]+\r\nSubject: x\r\nBcc: y\r\n\r\nhello\r\n$/,
  );
  assert.equal(message?.envelope.sender, "list-@far.test-@[]");
  assert.equal(message?.envelope.submitted, true);
  assert.deepEqual(
    message?.envelope.recipients.map(({ address }) => address),
    ['"a b"@far.test', "nohost@mail.example.test", "postmaster"],
  );
});
