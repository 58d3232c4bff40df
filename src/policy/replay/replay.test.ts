import assert from "node:assert/strict";
import test from "node:test";
import { FakeClock } from "#test/support/clock.ts";
import { standardPolicy } from "#test/support/listeners.ts";
import { type Given, policyWorld } from "#test/support/policyworld.ts";
import { judgeRecorded } from "#test/support/recorded.ts";
import { sessionRecord } from "#test/support/sessionrecord.ts";
import { TableResolver } from "#test/support/table.ts";
import { type Recorded, sessions } from "../../../test/fixtures/sessions/sessions.ts";
import { judgingBy } from "../judge.ts";
import type { Remembered } from "./fate.ts";
import { readSession } from "./record.ts";
import { changes, isNewlyRefused, recorded, replay } from "./replay.ts";

const judging = judgingBy(standardPolicy);

/** A session as it was, and its record as the ledger writes it. */
async function live(session: Recorded): Promise<Remembered> {
  const { name, ip, helo, from, to, wanted } = session;
  const { decision, stages } = await judgeRecorded(session);
  const reply = decision
    ? `${decision.code} ${decision.enhanced} ${decision.text} (${decision.rule}) [s1]`
    : "250 2.1.5 OK";
  const accepted = stages.flatMap(({ rules }) => rules).find(({ rule }) => rule === "client-name");
  const line = sessionRecord({
    id: name,
    at: 1,
    ip,
    name:
      accepted?.verdict === "accept" && !accepted.evidence.startsWith("DNS") ? accepted.evidence : undefined,
    hello: helo,
    sender: from,
    recipients: [{ address: to, reply }],
    stages,
  });
  const read = readSession(Buffer.from(line));
  assert.ok(read.ok, JSON.stringify(read));
  return { ...read.value, wanted };
}

const all = Promise.all(sessions.map(live));

async function differences(given: Partial<Given>, wanted = true): Promise<readonly string[]> {
  const found: string[] = [];
  // whoever asks DNS now is wrong
  const silent = new TableResolver({});
  const world = policyWorld({ clock: new FakeClock(), resolver: silent, ...given });
  for (const session of await all) {
    const after = await replay(session, { world, ...judging });
    for (const change of changes(session, recorded(session), after))
      if (isNewlyRefused(change) || !wanted)
        found.push(
          `${session.id}: ${change.before.kind} ${change.before.rule} → ${change.after.kind} ${change.after.rule} ${change.after.evidence}`,
        );
  }
  assert.deepEqual(silent.asked, []);
  return found;
}

test("with the same rules nothing changes, and nothing is asked of DNS", async () => {
  assert.deepEqual(await differences({}, false), []);
});

test("what a change of rules would newly refuse is found, and what it would let in", async () => {
  const shop = await differences({ databases: { badmailfrom: ["@shop.test"] } });
  assert.ok(
    shop.length > 3 && shop.every((each) => each.includes("refused sender-listed @shop.test")),
    shop.join("\n"),
  );
  const line = await differences({ exceptions: ["allow 0.0.0.0/0"] }, false);
  assert.ok(line.length > 10 && line.every((each) => each.includes("→ taken")), line.join("\n"));
  assert.deepEqual(await differences({ databases: { badhelo: ["nobody.test"] } }), []);
});

test("each recipient is judged with the sender of its own transaction", async () => {
  const to = (address: string, from?: string) => ({
    address,
    reply: "250 2.1.5 OK",
    ...(from ? { from } : {}),
  });
  const recipients = [
    to("a@a.test", "x@one.test"),
    to("b@a.test", "x@two.test"),
    to("c@a.test"),
    to("d@a.test"),
  ];
  const read = readSession(Buffer.from(sessionRecord({ recipients })));
  assert.ok(read.ok);
  const resolver = new TableResolver({});
  const saidWith = async (badmailfrom: string) => {
    const world = policyWorld({
      clock: new FakeClock(),
      resolver,
      databases: { badmailfrom: [badmailfrom] },
    });
    return (await replay(read.value, { world, ...judging })).map(({ kind }) => kind);
  };
  assert.deepEqual(await saidWith("@one.test"), ["refused", "taken", "taken", "taken"]);
  assert.deepEqual(await saidWith("@two.test"), ["taken", "refused", "taken", "taken"]);
  assert.deepEqual(await saidWith("@shop.test"), ["taken", "taken", "refused", "refused"]);
  assert.deepEqual(await saidWith("@none.test"), ["taken", "taken", "taken", "taken"]);
  assert.deepEqual(resolver.asked, []);
});

test("records: what is missing is not guessed, what is wrong is told", async () => {
  const [first] = await all;
  assert.ok(first);
  // a record without the rules' words: neither DNS nor SPF may refuse
  const world = policyWorld({ clock: new FakeClock(), resolver: new TableResolver({}) });
  for (const session of await all) {
    if (session.wanted !== true) continue;
    const [said] = await replay(
      { ...session, stages: [{ stage: "connect", rules: [] }] },
      { world, ...judging },
    );
    assert.equal(said?.kind, "taken", `${session.id}: ${said?.rule} ${said?.evidence}`);
  }
  for (const wrong of [
    "",
    "{}",
    "[]",
    JSON.stringify({ ...first, at: "x" }),
    JSON.stringify({ ...first, stages: [{}] }),
  ])
    assert.equal(readSession(Buffer.from(wrong)).ok, false, wrong);
  const other = { ...first, recipients: [{ address: "x@a.test", reply: "550 5.1.1 No such user here" }] };
  assert.deepEqual(recorded(other), [undefined]);
});
