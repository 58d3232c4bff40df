import assert from "node:assert/strict";
import test from "node:test";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Logger } from "#log/logger.ts";
import type { Delivery } from "#talk/deliver.ts";
import type { Destination } from "#talk/lookup.ts";
import { BrokenDisk } from "#test/support/brokendisk.ts";
import { Local } from "./local.ts";
import { isLooping, tracesOf } from "./trace.ts";

function localWith(whereTo: (address: string) => Destination, text = "Subject: x\r\n\r\nhi\r\n") {
  const disk = new BrokenDisk();
  const body = Buffer.from(text);
  const local = new Local({
    runProgram: async () => ({ end: "done", report: "" }),
    toSystemUser: async () => ({ kind: "delivered", by: "did 1+0+0" }),
    disk,
    clock: systemClock,
    log: new Logger({ role: "local", clock: systemClock, level: "info", sink: () => {} }),
    hostname: "mx.example.org",
    openBody: async () => ({
      size: body.length,
      whole: body,
      async *chunks() {
        yield body;
      },
      close: async () => {},
    }),
    whereTo: async (address) => whereTo(address),
    rejects: { keep: async () => "in Rejects", came: async () => {} },
    quotas: { deliver: (_bounds, work) => work(async () => true) },
    fullWait: () => 0,
  });
  return { disk, local };
}

const delivery = (addresses: readonly string[], over: Partial<Delivery> = {}): Delivery => ({
  id: "abc-1",
  arrived: 1_700_000_000_999,
  sender: "sam@sender.example",
  body: "8bitmime",
  submitted: false,
  place: { kind: "file", name: "abc-1", size: 1 },
  again: false,
  domain: "",
  recipients: addresses.map((address, index) => ({ index, address })),
  ...over,
});

test("an alias, a list and a copy go on, each with the line that tells the way", async () => {
  const { local, disk } = localWith((address) => {
    if (address.startsWith("list@")) return { kind: "forward", to: ["b@x.test"], owner: "list-owner@a.test" };
    if (address.startsWith("alias@")) return { kind: "forward", to: ["b@x.test", "c@x.test"] };
    return { kind: "mailbox", account: address, maildir: "mail/ann", copies: ["d@x.test"] };
  });
  const all = ["list@a.test", "alias@a.test", "ann@a.test"];
  const { outcomes } = await local.deliver(delivery(all));
  const letter = (to: string, recipients: readonly string[], more = {}) => ({
    prefix: `Delivered-To: ${to}\r\n`,
    recipients,
    ...more,
  });
  assert.deepEqual(
    [...outcomes].sort((a, b) => a.index - b.index).map(({ outcome }) => outcome),
    [
      {
        kind: "forwarded",
        by: "on its way to another address",
        letter: letter("list@a.test", ["b@x.test"], { sender: "list-owner@a.test" }),
      },
      {
        kind: "forwarded",
        by: "on its way to 2 addresses",
        letter: letter("alias@a.test", ["b@x.test", "c@x.test"]),
      },
      {
        kind: "forwarded",
        by: "in the mailbox, and on its way to another address",
        letter: letter("ann@a.test", ["d@x.test"]),
      },
    ],
  );
  // the queue died before it heard: the mailbox has its copy, and the other one goes on now
  const again = await local.deliver(delivery(all, { again: true }));
  const [, , ann] = [...again.outcomes].sort((a, b) => a.index - b.index);
  assert.equal(ann?.outcome.kind, "forwarded");
  assert.equal((await disk.list("mail/ann/new")).length, 1);
});

test("a bounce for a list does not go on in the name of its owner", async () => {
  const { local } = localWith(() => ({ kind: "forward", to: ["b@x.test"], owner: "list-owner@a.test" }));
  const { outcomes } = await local.deliver(delivery(["list@a.test"], { sender: "" }));
  const [{ outcome } = { outcome: undefined }] = outcomes;
  assert.ok(outcome?.kind === "forwarded");
  assert.equal(outcome.letter.sender, undefined);
});

test("a message that has the line already is looping, whether it would stay or go on", async () => {
  const looping = {
    kind: "failed",
    why: { code: "5.4.6", text: "This message is looping: it already has my Delivered-To line." },
  };
  const rows: readonly [what: string, text: string, loops: boolean][] = [
    ["the line", "X: y\r\nDelivered-To: ann@a.test\r\n\r\n", true],
    ["with bare line feeds", "Delivered-To: ann@a.test\n\n", true],
    ["of somebody else", "Delivered-To: bob@a.test\r\n\r\n", false],
    ["of one whose name goes on", "Delivered-To: ann@a.test.example\r\n\r\n", false],
    // as qmail, which compares bytes: it goes round once more
    ["in another spelling", "delivered-to: ann@a.test\r\n\r\n", false],
    ["in the body", "X: y\r\n\r\nDelivered-To: ann@a.test\r\n", false],
    ["on a line that goes on", "X: y\r\n Delivered-To: ann@a.test\r\n\r\n", false],
    ["no header", "", false],
  ];
  const answers: readonly Destination[] = [
    { kind: "mailbox", account: "ann@a.test", maildir: "mail/ann" },
    { kind: "forward", to: ["b@x.test"] },
  ];
  for (const [what, text, loops] of rows) {
    for (const answer of answers) {
      const { local } = localWith(() => answer, text);
      const { outcomes } = await local.deliver(delivery(["ann@a.test"]));
      if (loops) assert.deepEqual(outcomes[0]?.outcome, looping, what);
      else assert.notEqual(outcomes[0]?.outcome.kind, "failed", what);
    }
  }
});

test("a message that went through very many hands is looping; the header of a large one is found", async () => {
  const many = Array.from({ length: limits.forward.hops + 1 }, (_, n) => `Delivered-To: ${n}@a.test\r\n`);
  const chunks = [...many, "\r\n", "x".repeat(100)].map((each) => Buffer.from(each));
  const body = {
    size: 1,
    whole: undefined,
    async *chunks() {
      yield* chunks;
    },
  };
  const traces = await tracesOf(body);
  assert.equal(traces.length, limits.forward.hops + 1);
  assert.ok(isLooping(traces, "new@a.test"));
  assert.ok(!isLooping(traces.slice(1), "new@a.test"));
});

test("who has no mailbox has no Rejects", async () => {
  const { local } = localWith(() => ({ kind: "forward", to: ["b@x.test"] }));
  const { outcomes } = await local.deliver(delivery(["alias@a.test"], { rejected: true }));
  assert.deepEqual(outcomes[0]?.outcome, { kind: "delivered", by: "not kept" });
});

test("letters that do not fit into one answer wait for the next", async () => {
  const to = Array.from({ length: 5000 }, (_, n) => `${"x".repeat(50)}${n}@x.test`);
  const { local } = localWith(() => ({ kind: "forward", to }));
  const { outcomes } = await local.deliver(delivery(["a@a.test", "b@a.test", "c@a.test"]));
  const kinds = outcomes.map(({ outcome }) => outcome.kind).sort();
  assert.deepEqual(kinds, ["deferred", "forwarded", "forwarded"]);
  assert.ok(Buffer.byteLength(JSON.stringify(outcomes)) < 1024 * 1024);
});
