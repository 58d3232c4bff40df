// A message is judged when it has come whole: what the rules are told of it, and what the client and the queue hear.

import assert from "node:assert/strict";
import test from "node:test";
import type { MessageFacts } from "#policy/facts.ts";
import type { Decision } from "#policy/judge.ts";
import type { SessionJudge } from "#roles/smtpd/state.ts";
import { say, TO_DATA, TO_RCPT } from "./clients.ts";
import { World } from "./world.ts";

const refusal: Decision = {
  kind: "reject",
  rule: "header-from",
  code: 550,
  enhanced: "5.6.0",
  text: "No From",
  evidence: "none",
  now: false,
  plausible: false,
};

interface Judged {
  readonly facts: MessageFacts;
  readonly recipients: readonly string[];
}

function judging(
  decision?: Decision,
  {
    given = {},
    rejects = false,
  }: { readonly given?: Readonly<Record<string, string>>; readonly rejects?: boolean } = {},
): { readonly world: World; readonly judged: Judged[] } {
  const world = new World(given);
  Object.assign(world.door, { rejects });
  const judged: Judged[] = [];
  const judge: SessionJudge = {
    isOurselves: false,
    greetDelay: () => 0,
    dataBytes: undefined,
    early: () => {},
    hello: () => {},
    sender: () => {},
    unknown: () => {},
    identity: async () => ({ name: "", hello: "", confirmed: false, domain: "" }),
    record: async () => [],
    recipient: async () => undefined,
    relays: async () => undefined,
    verifiedName: async () => undefined,
    message: async (facts, recipients) => {
      judged.push({ facts, recipients });
      return decision;
    },
  };
  Object.assign(world.peers, { judge: () => judge });
  return { world, judged };
}

const PARTS = `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n${"x".repeat(70_000)}\r\n--b--\r\n`;

const rows: readonly (readonly [what: string, text: string, facts: Partial<MessageFacts>])[] = [
  ["a good one", "From: a@b.test\r\nDate: today\r\n\r\nbody\r\n", { from: ["a@b.test"], hasDate: true }],
  ["two From", "FROM : a\r\nfrom:\r\n b\r\n\r\n", { from: ["a", "b"] }],
  ["no blank line", "From: a\r\n", { from: ["a"] }],
  ["UTF-8", "Subject: \xc3\xa4\r\n\r\n", { eightBit: "utf8" }],
  ["Latin-1", "Subject: \xe4\r\n\r\n", { eightBit: "other" }],
  ["8 bit in the body only", "Subject: x\r\n\r\n\xe4\r\n", {}],
  ["parts", PARTS, { depth: 1 }],
];

const none: MessageFacts = { from: [], hasDate: false, utf8: false, eightBit: "none", depth: 0 };

for (const [what, text, facts] of rows) {
  test(`the rules see ${what}, by DATA and by BDAT`, async () => {
    const bytes = Buffer.from(text, "latin1");
    const ways = [
      [TO_DATA, Buffer.concat([bytes, Buffer.from(".\r\n")])],
      [
        TO_RCPT,
        Buffer.concat([
          Buffer.from("BDAT 5\r\n"),
          bytes.subarray(0, 5),
          Buffer.from(`BDAT ${bytes.length - 5} LAST\r\n`),
          bytes.subarray(5),
        ]),
      ],
    ] as const;
    for (const [before, message] of ways) {
      const { world, judged } = judging();
      const { client } = world.connect();
      await say(client, before);
      client.send(message);
      assert.match(await say(client, ""), /250 2\.0\.0 Queued/);
      assert.deepEqual(judged, [{ facts: { ...none, ...facts }, recipients: ["ann@example.test"] }]);
    }
  });
}

test("a refused message is answered with the rule and the session, and is not queued", async () => {
  const { world } = judging(refusal);
  const { client } = world.connect();
  await say(client, TO_DATA);
  assert.equal(await say(client, "Subject: x\r\n\r\n.\r\n"), "550 5.6.0 No From (header-from) [s1]\r\n");
  // a small one: the queue has not even heard of it
  assert.equal(world.messages.length, 0);
  assert.match(world.events("smtp_judged")[0] ?? "", /session=s1 .*rule=header-from code=550 evidence=none/);
  assert.equal(world.events("smtp_accept").length, 0);
});

test("of a large one that is refused in the end, the queue keeps nothing", async () => {
  const { world } = judging(refusal);
  const { client } = world.connect();
  await say(client, TO_DATA);
  const line = `${"x".repeat(70)}\r\n`;
  await say(client, `Subject: x\r\n\r\n${line.repeat(1000)}`);
  assert.match(await say(client, ".\r\n"), /^550 5\.6\.0 No From/);
  assert.deepEqual(
    world.messages.map(({ state }) => state),
    ["aborted"],
  );
});

const doubtful: Decision = { ...refusal, rule: "message-score", text: "Too much", plausible: true };

test("what may be refused by mistake is refused all the same, and handed on to Rejects with the reason in front", async () => {
  for (const given of [{}, { queue: "lost" }]) {
    const { world } = judging(doubtful, { given, rejects: true });
    const { client } = world.connect();
    await say(client, TO_DATA);
    assert.equal(await say(client, "Subject: x\r\n\r\n.\r\n"), "550 5.6.0 Too much (message-score) [s1]\r\n");
    const [message] = world.messages;
    assert.equal(message?.state, "rejected");
    assert.match(
      String(message?.body),
      /^X-Kenro-Refused: 550 5\.6\.0 Too much \(message-score\).*\r\nReceived: .*Subject: x\r\n\r\n$/s,
    );
    assert.equal(world.events("smtp_accept").length, 0);
    assert.equal(world.events("smtp_judged").length, 1);
    assert.match(await say(client, TO_DATA), /354/, "the session goes on");
  }
});

test("where Rejects is off, and where there is no doubt, nothing is handed on", async () => {
  const ways = [
    [doubtful, false],
    [refusal, true],
  ] as const;
  for (const [decision, rejects] of ways) {
    const { world } = judging(decision, { rejects });
    const { client } = world.connect();
    await say(client, TO_DATA);
    assert.match(await say(client, "Subject: x\r\n\r\n.\r\n"), /^550 /);
    assert.deepEqual(
      world.messages.filter(({ state }) => state !== "aborted"),
      [],
    );
  }
});

test("a message that is refused already is not judged", async () => {
  const { world, judged } = judging();
  const { client } = world.connect();
  await say(client, TO_DATA);
  assert.match(await say(client, "Subject: x\n\r\n.\r\n"), /^550 5\.6\.0 Refused/);
  assert.deepEqual(judged, []);
});
