import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import { FakeClock } from "#test/support/clock.ts";
import { type Given, policyWorld } from "#test/support/policyworld.ts";
import { TableResolver } from "#test/support/table.ts";
import type { MessageFacts } from "./facts.ts";
import { Judge, type JudgeOptions } from "./judge.ts";
import { header8bit } from "./rules/header8bit.ts";
import { headerDate } from "./rules/headerdate.ts";
import { headerFrom } from "./rules/headerfrom.ts";
import { messageScore } from "./rules/messagescore.ts";
import { mimeDepth } from "./rules/mimedepth.ts";
import type { Mode, Rule } from "./verdict.ts";

const good: MessageFacts = { from: ["a@good.test"], hasDate: true, utf8: false, eightBit: "none", depth: 2 };

const options = (given: Partial<Given> = {}, more: Partial<JudgeOptions> = {}): JudgeOptions => ({
  world: policyWorld({
    clock: new FakeClock(),
    resolver: new TableResolver({
      "10.2.0.192.in-addr.arpa": { PTR: ["mail.good.test"] },
      "mail.good.test": { A: ["192.0.2.10"] },
      "good.test": { MX: ["10 mail.good.test"] },
    }),
    ...given,
  }),
  thresholds: { reject: 10, suspicious: 7 },
  modes: new Map(),
  spared: new Set(["postmaster"]),
  trouble: (text) => assert.fail(text),
  ...more,
});

function begun(given: JudgeOptions = options()): Judge {
  const judge = new Judge(given, "192.0.2.10");
  judge.hello("mail.good.test");
  judge.sender("x@good.test");
  return judge;
}

const ann = ["ann@a.test"];
const verdict = async (facts: Partial<MessageFacts>, given?: JudgeOptions, to = ann): Promise<string> => {
  const said = await begun(given).message({ ...good, ...facts }, to);
  return said ? `${said.rule} ${said.code} ${said.enhanced}` : "";
};

test("each rule about messages says what docs/policy.md says", async () => {
  const said = async (rule: Rule<"message">, facts: Partial<MessageFacts>) => {
    const { sender, hello, client } = {} as never;
    const sofar = { points: 9, reasons: [], thresholds: { reject: 10, suspicious: 7 } };
    const one = await rule.judge({ client, hello, sender, message: { ...good, ...facts } }, sofar);
    return one.kind === "score" ? `score ${one.points}` : one.kind;
  };
  const deep = limits.policy.mimeDepth;
  const rows: readonly (readonly [Rule<"message">, Partial<MessageFacts>, string])[] = [
    [headerFrom, {}, "accept"],
    [headerFrom, { from: [] }, "reject"],
    [headerFrom, { from: [" "] }, "reject"],
    [headerFrom, { from: ["a@b.test", "c@d.test"] }, "reject"],
    [headerFrom, { from: ["a@b.test, c@d.test"] }, "accept"],
    [headerDate, {}, "accept"],
    [headerDate, { hasDate: false }, "score 2"],
    [header8bit, {}, "accept"],
    [header8bit, { eightBit: "utf8" }, "score 1"],
    [header8bit, { eightBit: "utf8", utf8: true }, "accept"],
    [header8bit, { eightBit: "other" }, "score 2"],
    [header8bit, { eightBit: "other", utf8: true }, "score 2"],
    [mimeDepth, { depth: deep }, "accept"],
    [mimeDepth, { depth: deep + 1 }, "reject"],
    [messageScore, {}, "accept"],
  ];
  for (const [rule, facts, wanted] of rows)
    assert.equal(await said(rule, facts), wanted, `${rule.id} ${JSON.stringify(facts)}`);
});

test("a message is refused with the rule's id, and its points add to those of the session", async () => {
  assert.equal(await verdict({}), "");
  assert.equal(await verdict({ from: [] }), "header-from 550 5.6.0");
  assert.equal(await verdict({ depth: 31 }), "mime-depth 550 5.6.0");
  assert.equal(await verdict({ hasDate: false, eightBit: "other" }), "");
  const listed = options({ listings: async () => [{ zone: "bl.test", text: "", weight: 8 }] });
  assert.equal(await verdict({}, listed), "");
  assert.equal(await verdict({ hasDate: false }, listed), "message-score 550 5.7.1");
});

test("whom other rules spare, these spare too", async () => {
  const bad = { from: [], hasDate: false, depth: 100 };
  const known = async () => ({ ban: undefined, known: true, reputation: 0, guesses: 0 });
  assert.equal(await verdict(bad, options({ variables: { RELAYCLIENT: "" } })), "");
  assert.equal(await verdict(bad, options({ variables: { RELIABLECLIENT: "" } })), "");
  assert.equal(await verdict(bad, options({ memory: { meet: known } })), "");
  assert.equal(await verdict(bad, options(), ["postmaster@a.test"]), "");
  assert.equal(await verdict(bad, options(), ["postmaster@a.test", ...ann]), "header-from 550 5.6.0");
  const modes = new Map<string, Mode>([
    ["header-from", "observe"],
    ["mime-depth", "off"],
  ]);
  assert.equal(await verdict(bad, options({}, { modes })), "");
});

test("a recipient that was refused does not spare the message of the others", async () => {
  const judge = begun(options({ databases: { badrcptto: ["bob@a.test"] } }));
  assert.equal(await judge.recipient("ann@a.test", 0), undefined);
  assert.equal((await judge.recipient("bob@a.test", 1))?.rule, "recipient-listed");
  assert.equal((await judge.message({ ...good, from: [] }, ann))?.rule, "header-from");
  assert.equal(await judge.message(good, ann), undefined);
});
