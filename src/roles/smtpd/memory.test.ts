import assert from "node:assert/strict";
import path from "node:path";
import test from "node:test";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Logger } from "#log/logger.ts";
import { stranger } from "#policy/facts.ts";
import { readSession } from "#policy/replay/record.ts";
import { answer } from "#sys/local.ts";
import { answerVerbs, on } from "#talk/answerer.ts";
import * as recall from "#talk/recall.ts";
import { loopbackClient } from "#test/support/loopback.ts";
import { SmtpSite, until } from "#test/support/smtpsite.ts";
import { temporaryDirectory } from "#test/support/temporary.ts";
import { LedgerMemory } from "./memory.ts";

function memoryAt(socket: string) {
  const lines: string[] = [];
  const log = new Logger({
    role: "smtpd",
    clock: systemClock,
    level: "info",
    sink: (line) => lines.push(line),
  });
  return { memory: new LedgerMemory(socket, systemClock, log), lines };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const client = { address: "192.0.2.10" };

test("without a ledger nobody is known, and nobody waits; it is told once, and asked again when it is back", async (context) => {
  const socket = path.join(temporaryDirectory(context), "ledger.sock");
  const { memory, lines } = memoryAt(socket);
  context.after(() => memory.close());
  const began = systemClock.monotonic();
  assert.deepEqual(await memory.meet(client), stranger);
  assert.ok(systemClock.monotonic() - began < 4 * limits.ledger.patience);
  const again = systemClock.monotonic();
  assert.equal(await memory.correspondent("x@good.test"), false);
  assert.deepEqual(await memory.greylist("192.0.2.0/24", "", "ann@a.test"), { kind: "pass" });
  assert.deepEqual(await memory.regard({ hello: "x", confirmed: false, domain: "" }), {
    hello: 0,
    domain: 0,
  });
  assert.ok(systemClock.monotonic() - again < limits.ledger.patience, "asked at once again");
  assert.equal(lines.length, 1, lines.join("\n"));
  const met = { known: true, reputation: 5, guesses: 1 };
  const answering = await answerVerbs(socket, [on(recall.meet, () => met)], { trouble: () => {} });
  context.after(() => answering.close());
  await pause(limits.ledger.away + 100);
  assert.deepEqual(await memory.meet(client), { ...met, ban: undefined });
  assert.equal(lines.length, 1);
});

test("a ledger that hangs is as one that is away", async (context) => {
  const socket = path.join(temporaryDirectory(context), "ledger.sock");
  const silent = await answer(socket, (each) => void context.after(() => each.destroy()));
  context.after(() => silent.close());
  const { memory, lines } = memoryAt(socket);
  const began = systemClock.monotonic();
  const all = await Promise.all(Array.from({ length: 50 }, () => memory.meet(client)));
  assert.ok(all.every((each) => each === stranger));
  assert.ok(systemClock.monotonic() - began < 4 * limits.ledger.patience);
  assert.equal(lines.length, 1);
  // what it is told waits, bounded, and keeps nobody from stopping
  for (let n = 0; n < 3 * limits.ledger.notes; n++) memory.wrote(["x@good.test"]);
  await memory.close();
});

test("the ledger is told how a stranger's session went, once for each client of a proxy", async (context) => {
  const site = await SmtpSite.start(context, {
    slice: { xclient: ["127.0.0.0/8"], dnsServers: ["127.0.0.1:1"] },
  });
  const connection = await loopbackClient(site.port("mx"));
  const say = async (line: string, code: RegExp) => {
    connection.send(Buffer.from(`${line}\r\n`));
    assert.match(await until(connection, /^\d{3} .*\r\n$/m), code, line);
  };
  await until(connection, /^220 .*\r\n$/m);
  await say("EHLO proxy", /^250 /m);
  for (const ip of ["203.0.113.61", "203.0.113.62"]) {
    await say(`XCLIENT ADDR=${ip}`, /^220 /);
    await say("EHLO [203.0.113.61]", /^250 /m);
    await say("MAIL FROM:<>", /^250 /);
    await say("RCPT TO:<nobody@example.test>", /^5\d\d /);
    await say("RCPT TO:<ann@example.test>", ip === "203.0.113.61" ? /^250 / : /^550 /);
    if (ip === "203.0.113.61") {
      await say("DATA", /^354 /);
      await say("From: <a@far.test>\r\nSubject: x\r\n\r\nx\r\n.", /^250 /);
    } else await say("RSET", /^250 /);
  }
  await say("QUIT", /^221 /);
  while (site.notes.length < 2) await pause(20);
  const [first, second] = [...site.notes].sort((a, b) => (a.ip < b.ip ? -1 : 1));
  assert.deepEqual(
    [first?.ip, first?.verdict, first?.messages, first?.accepted, first?.unknown, first?.refusals],
    ["203.0.113.61", "accepted", 1, 1, 1, 0],
  );
  assert.deepEqual(
    [second?.ip, second?.verdict, second?.unknown, second?.refusals],
    ["203.0.113.62", "refused", 0, 2],
  );
  assert.deepEqual(
    second?.refused.map(({ rule, to }) => [rule, to]),
    [
      ["hello-address", "nobody@example.test"],
      ["hello-address", "ann@example.test"],
    ],
  );
  // `kenro policy replay` reads the same
  for (const note of site.notes) assert.ok(readSession(Buffer.from(JSON.stringify(note))).ok);
  assert.match(second?.recipients[1]?.reply ?? "", /^550 .*\(hello-address\)/);
  assert.ok(
    second?.stages
      .flatMap(({ rules }) => rules)
      .some(({ rule, verdict }) => rule === "hello-address" && verdict === "reject"),
  );
});
