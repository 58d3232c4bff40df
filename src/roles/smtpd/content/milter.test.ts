// The milter client against libmilter itself.

import assert from "node:assert/strict";
import test from "node:test";
import { checker, examine, subject } from "#test/support/examine.ts";
import { type Milter, startMilter } from "#test/support/milter.ts";
import type { Subject } from "./checker.ts";
import type { Outcome } from "./examination.ts";

const ordering = (order: string): Partial<Subject> => ({
  header: Buffer.from(`X-Order: ${order}\r\nSubject: x\r\n\r\n`),
});

const told = (outcome: Outcome): string => {
  switch (outcome.kind) {
    case "clean":
      return `clean ${outcome.evidence}`;
    case "refuse":
      return `${outcome.code} ${outcome.enhanced} ${outcome.text} (${outcome.evidence})`;
    case "unknown":
      return `unknown ${outcome.why}`;
  }
};

/** Waits for the end of the conversation. */
async function conversation(milter: Milter): Promise<readonly (readonly unknown[])[]> {
  const events = [...milter.told()];
  for (let tries = 0; events.at(-1)?.[0] !== "close" && tries < 100; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    events.push(...milter.told());
  }
  return events;
}

for (const over of ["unix", "inet"] as const) {
  test(`libmilter over ${over} is told the whole session and message`, async (context) => {
    const milter = await startMilter(context, over);
    if (!milter) return;
    const one = checker({ kind: "milter", address: milter.address });
    await one.ping();
    await conversation(milter);
    const large = Buffer.from(`${"x".repeat(998)}\r\n`.repeat(200));
    assert.equal(told(await examine(one, [large, "the last line\r\n"])), "clean accept");
    assert.deepEqual(await conversation(milter), [
      ["connect", "c.example.test", ["192.0.2.7", 40_000]],
      ["macros", "mail.example.test", "192.0.2.7", "mx"],
      ["helo", "helo.example.test"],
      ["mail", "<a@far.test>"],
      ["rcpt", "<ann@example.test>"],
      ["rcpt", "<bob@example.test>"],
      ["data"],
      ["header", "From", "a@far.test"],
      ["header", "Subject", "two\n  lines"],
      ["eoh"],
      ["eom", 200_015, "xx\r\nthe last line\r\n".padStart(20, "x"), "m-1"],
      ["close"],
    ]);
  });
}

test("libmilter understands clients with IPv6 addresses, and those that nobody knows", async (context) => {
  const milter = await startMilter(context);
  if (!milter) return;
  const one = checker({ kind: "milter", address: milter.address });
  const v6 = { address: "2001:db8::1", port: 25, name: "" };
  assert.equal(told(await examine(one, [], { client: v6 })), "clean accept");
  const [connected] = await conversation(milter);
  assert.match(JSON.stringify(connected), /^\["connect","\[2001:db8::1\]",\["2001:db8::1",25/);
  assert.equal(told(await examine(one, [], { client: { address: "", port: 0, name: "" } })), "clean accept");
  assert.deepEqual((await conversation(milter))[0], ["connect", "[unknown]", null]);
});

test("what libmilter's filters answer", async (context) => {
  const milter = await startMilter(context);
  if (!milter) return;
  const one = checker({ kind: "milter", address: milter.address });
  const rows: readonly (readonly [Partial<Subject>, string])[] = [
    [ordering("nothing"), "clean accept"],
    [ordering("progress"), "clean accept"],
    [ordering("skip"), "clean accept"],
    [ordering("reject"), "550 5.7.1 Refused by a filter (reject)"],
    [ordering("tempfail"), "451 4.7.1 Put off by a filter, try again later (tempfail)"],
    [ordering("reply"), "554 5.7.9 Not with 100% me (554 Not with 100% me)"],
    [ordering("discard"), "550 5.7.1 Refused by a filter (discard)"],
    [ordering("quarantine"), "550 5.7.1 Held back by a filter (quarantine: looks odd)"],
    [{ sender: "late@far.test" }, "451 4.7.1 Put off by a filter, try again later (tempfail)"],
    [{ recipients: ["ann@example.test", "no@example.test"] }, "550 5.7.1 Refused by a filter (reject)"],
    [{ header: Buffer.from("X-Accept: yes\r\nX-Order: reject\r\n\r\n") }, "clean accept"],
    [{ header: Buffer.from("no field\r\nA:b\r\n\tc\r\nno colon\r\n\r\n") }, "clean accept"],
    [{ header: Buffer.alloc(0), sender: "" }, "clean accept"],
  ];
  for (const [changes, wanted] of rows)
    assert.equal(told(await examine(one, ["body\r\n"], changes)), wanted, JSON.stringify(changes));
  const events = await conversation(milter);
  assert.ok(events.some(([kind, name, value]) => kind === "header" && name === "A" && value === "b\n\tc"));
});

test("a filter adds fields, wherever it wants them", async (context) => {
  const milter = await startMilter(context);
  if (!milter) return;
  const outcome = await examine(checker({ kind: "milter", address: milter.address }), ["b"], ordering("add"));
  assert.deepEqual(outcome.kind === "clean" && outcome.fields, [
    ["X-Added", "one\n two"],
    ["X-Inserted", "three"],
  ]);
});

test("a filter that dies, or wants what we cannot do, is no verdict", async (context) => {
  const dying = await startMilter(context);
  if (!dying) return;
  assert.match(
    told(await examine(checker({ kind: "milter", address: dying.address }), ["b"], ordering("die"))),
    /^unknown (?:It has closed without an answer|Cannot talk to the peer: read ECONNRESET)$/,
  );
  // libmilter itself sees that its offer is not enough, and closes
  const changing = await startMilter(context, "unix", "add change");
  const one = checker({ kind: "milter", address: changing?.address ?? "" });
  assert.match(told(await examine(one)), /^unknown It (?:wants to change the body|has closed)/);
  await assert.rejects(one.ping(), /wants to change the body|has closed/);
});

test("only the header that is there is shown, byte for byte", async (context) => {
  const milter = await startMilter(context);
  if (!milter) return;
  const header = Buffer.from("Subject:  a\r\nX-Long: b\r\n c\r\n\td\r\nX-Empty:\r\n\r\n");
  await examine(checker({ kind: "milter", address: milter.address }), ["b"], { header });
  const headers = (await conversation(milter)).filter(([kind]) => kind === "header");
  assert.deepEqual(headers, [
    ["header", "Subject", " a"],
    ["header", "X-Long", "b\n c\n\td"],
    ["header", "X-Empty", ""],
  ]);
  assert.ok(subject.header.length > 0);
});
