import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { Trouble } from "#base/problem.ts";
import { Logger } from "#log/logger.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import type { Delivery } from "#talk/deliver.ts";
import type { Destination } from "#talk/lookup.ts";
import { FakeClock } from "#test/support/clock.ts";
import { Local, type LocalOptions } from "./local.ts";

const BODY = Buffer.from("Subject: x\r\n\r\nhi \xe4\r\n.\r\nno end", "latin1");

function setUp(context: TestContext, over: Partial<LocalOptions> = {}) {
  const root = mkdtempSync(path.join(tmpdir(), "kenro-local-"));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  const clock = new FakeClock();
  const lines: string[] = [];
  const asked: string[] = [];
  let closed = 0;
  const local = new Local({
    runProgram: async () => ({ end: "done", report: "" }),
    toSystemUser: async () => ({ kind: "delivered", by: "did 1+0+0" }),
    disk: quickDisk,
    clock,
    log: new Logger({ role: "local", clock, level: "debug", sink: (line) => void lines.push(line) }),
    hostname: "mx.example.org",
    openBody: async () => ({
      size: BODY.length,
      whole: BODY,
      async *chunks() {
        yield BODY;
      },
      close: async () => void closed++,
    }),
    whereTo: async (address): Promise<Destination> => {
      asked.push(address);
      return address.startsWith("nobody@")
        ? { kind: "unknown" }
        : { kind: "mailbox", account: address, maildir: `${root}/${address}/Maildir` };
    },
    rejects: { keep: async () => "in Rejects", came: async () => {} },
    quotas: { deliver: (_bounds, work) => work(async () => true) },
    fullWait: () => 0,
    ...over,
  });
  const inbox = (address: string) => {
    const at = path.join(root, address, "Maildir", "new");
    return readdirSync(at).map((name) => [name, readFileSync(path.join(at, name), "latin1")] as const);
  };
  return { local, clock, lines, asked, inbox, closedCount: () => closed };
}

const delivery = (addresses: readonly string[], over: Partial<Delivery> = {}): Delivery => ({
  id: "abc-1",
  arrived: 1_700_000_000_999,
  sender: "sam@sender.example",
  body: "8bitmime",
  submitted: false,
  place: { kind: "file", name: "abc-1", size: BODY.length },
  again: false,
  domain: "",
  recipients: addresses.map((address, index) => ({ index, address })),
  ...over,
});

test("a message comes into each mailbox under its own name, unknown users fail", async (context) => {
  const { local, inbox, lines, closedCount } = setUp(context);
  const { outcomes } = await local.deliver(
    delivery(["ann@example.org", "nobody@example.org", "bob@example.org"]),
  );
  assert.deepEqual(
    [...outcomes].sort((a, b) => a.index - b.index).map(({ index, outcome }) => [index, outcome.kind]),
    [
      [0, "delivered"],
      [1, "failed"],
      [2, "delivered"],
    ],
  );
  const unknown = outcomes.find(({ index }) => index === 1)?.outcome;
  assert.deepEqual(unknown, {
    kind: "failed",
    why: { code: "5.1.1", text: "There is no user <nobody@example.org> here" },
  });
  const [name, bytes] = inbox("bob@example.org")[0] ?? ["", ""];
  assert.match(name, /^1700000000\.abc-1\.2\.mx\.example\.org,S=\d+,W=\d+$/);
  assert.equal(
    bytes,
    "Return-Path: <sam@sender.example>\nDelivered-To: bob@example.org\nSubject: x\n\nhi \xe4\n.\nno end",
  );
  assert.equal(lines.filter((line) => line.includes(" local_delivered id=abc-1 ")).length, 2);
  assert.equal(closedCount(), 1);
});

test("a second request delivers nothing again", async (context) => {
  const { local, inbox } = setUp(context);
  await local.deliver(delivery(["ann@example.org"]));
  const { outcomes } = await local.deliver(delivery(["ann@example.org"], { again: true }));
  assert.deepEqual(outcomes[0]?.outcome, { kind: "delivered", by: "in the mailbox (already there)" });
  assert.equal(inbox("ann@example.org").length, 1);
});

test("null and strange senders make a harmless Return-Path", async (context) => {
  const rows: [sender: string, line: string][] = [
    ["", "Return-Path: <>"],
    ["a b@x.example", 'Return-Path: <"a b"@x.example>'],
    ["a\r\nX: y@x.example", 'Return-Path: <"a__X: y"@x.example>'],
  ];
  for (const [sender, line] of rows) {
    const { local, inbox } = setUp(context);
    await local.deliver(delivery(["ann@example.org"], { sender }));
    assert.equal(inbox("ann@example.org")[0]?.[1].split("\n")[0], line);
  }
});

const broken = (code: string) => async () => {
  throw new Trouble("write", "Cannot write", { code });
};

test("whatever the world does is temporary", async (context) => {
  const rows: [what: string, over: Partial<LocalOptions>, code: string][] = [
    ["the disk is full", { disk: { ...quickDisk, create: broken("ENOSPC") } }, "4.3.1"],
    ["the quota is used up", { disk: { ...quickDisk, create: broken("EDQUOT") } }, "4.3.1"],
    ["the disk is broken", { disk: { ...quickDisk, create: broken("EIO") } }, "4.3.0"],
    ["the Maildir is not ours", { disk: { ...quickDisk, makeDirectory: broken("EACCES") } }, "4.3.0"],
    ["auth is away", { whereTo: broken("ECONNREFUSED") }, "4.3.0"],
    ["the body is gone", { openBody: broken("gone") }, "4.3.0"],
  ];
  for (const [what, over, code] of rows) {
    const { local, lines } = setUp(context, over);
    const { outcomes } = await local.deliver(delivery(["ann@example.org", "bob@example.org"]));
    assert.equal(outcomes.length, 2, what);
    for (const { outcome } of outcomes)
      assert.equal(outcome.kind === "deferred" && outcome.why.code, code, what);
    assert.ok(
      lines.some((line) => line.includes(" trouble id=abc-1 ")),
      what,
    );
  }
});

test("auth's answer is believed for a moment, but not that somebody is unknown", async (context) => {
  const { local, asked, clock } = setUp(context);
  let n = 0;
  const send = (address: string) => local.deliver(delivery([address], { id: `id-${n++}` }));
  await send("ann@example.org");
  await send("ann@example.org");
  assert.equal(asked.length, 1);
  await clock.advance(3001);
  await send("ann@example.org");
  assert.equal(asked.length, 2);
  await send("nobody@example.org");
  await send("nobody@example.org");
  assert.equal(asked.length, 4);
});

test("more mailboxes than stay open are delivered to all the same, also at once", async (context) => {
  const { local, inbox } = setUp(context);
  const addresses = Array.from({ length: 520 }, (_, n) => `u${n}@example.org`);
  await local.deliver(delivery(addresses));
  await local.deliver(delivery(addresses, { id: "abc-2" }));
  for (const address of addresses) assert.equal(inbox(address).length, 2);
});

test("binary parts are kept in base64: every byte of them comes back, in every attempt under one name", async (context) => {
  const bytes = Buffer.from([10, 13, 0, 13, 10, 255, 13, 13, 10, 10, 46, 10]);
  const binary = Buffer.concat([
    Buffer.from("Subject: x\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: binary\r\n\r\n"),
    bytes,
  ]);
  for (const size of [binary.length, 1, 5]) {
    const openBody = async () => ({
      size: binary.length,
      whole: size === binary.length ? binary : undefined,
      async *chunks() {
        for (let at = 0; at < binary.length; at += size) yield binary.subarray(at, at + size);
      },
      close: async () => {},
    });
    const { local, inbox } = setUp(context, { openBody });
    const letter = delivery(["ann@example.org"], { body: "binarymime" });
    await local.deliver(letter);
    await local.deliver({ ...letter, again: true });
    const [[name, text] = ["", ""], ...more] = inbox("ann@example.org");
    assert.deepEqual(more, []);
    const wanted = `Return-Path: <sam@sender.example>\nDelivered-To: ann@example.org\nSubject: x\nContent-Type: application/x\nMIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\n${bytes.toString("base64")}`;
    assert.equal(text, wanted);
    assert.ok(name.endsWith(`,S=${wanted.length},W=${wanted.replaceAll("\n", "\r\n").length}`), name);
  }
});

test("a binary body that cannot be read defers everybody", async (context) => {
  const openBody = async () => ({
    size: 5,
    whole: undefined,
    // biome-ignore lint/correctness/useYield: it fails at once
    async *chunks(): AsyncGenerator<Buffer> {
      throw new Trouble("read body", "Cannot read body", { code: "EIO" });
    },
    close: async () => {},
  });
  const { local } = setUp(context, { openBody });
  const { outcomes } = await local.deliver(delivery(["ann@example.org"], { body: "binarymime" }));
  assert.deepEqual(
    outcomes.map(({ outcome }) => outcome.kind === "deferred" && outcome.why.code),
    ["4.3.0"],
  );
});
