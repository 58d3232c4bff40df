import assert from "node:assert/strict";
import test from "node:test";
import { ruleIds as configured } from "#config/policyrules.ts";
import { FakeClock } from "#test/support/clock.ts";
import { type Given, policyWorld } from "#test/support/policyworld.ts";
import { TableResolver } from "#test/support/table.ts";
import type { Zones } from "#test/support/zone.ts";
import type { SpfFinding } from "./facts.ts";
import { type Decision, Judge, type JudgeOptions } from "./judge.ts";
import { ruleIds, stagesBy } from "./stages.ts";
import type { Mode } from "./verdict.ts";

const zones: Zones = {
  "10.2.0.192.in-addr.arpa": { PTR: ["mail.good.test"] },
  "mail.good.test": { A: ["192.0.2.10"] },
  "good.test": { MX: ["10 mail.good.test"] },
  "77.2.0.192.in-addr.arpa": { PTR: ["dsl-192-0-2-77.dyn.isp.test"] },
  "dsl-192-0-2-77.dyn.isp.test": { A: ["192.0.2.77"] },
  "99.2.0.192.in-addr.arpa": { PTR: ["elsewhere.test"] },
  "elsewhere.test": { A: ["203.0.113.200"] },
  "nullmx.test": { MX: ["0 ."], A: ["192.0.2.1"] },
  "inside.test": { MX: ["10 localhost.inside.test"] },
  "localhost.inside.test": { A: ["127.0.0.1"] },
  "broken.test": "servfail",
};

interface Session {
  readonly ip?: string;
  readonly helo?: string;
  readonly from?: string;
  readonly to?: readonly string[];
  readonly early?: boolean;
}

const options = (given: Partial<Given> = {}, more: Partial<JudgeOptions> = {}): JudgeOptions => ({
  world: policyWorld({ clock: new FakeClock(), resolver: new TableResolver(zones), ...given }),
  thresholds: { reject: 10, suspicious: 7 },
  modes: new Map(),
  spared: new Set(["postmaster"]),
  trouble: (text) => assert.fail(text),
  ...more,
});

async function judge(session: Session, given: JudgeOptions): Promise<readonly (Decision | undefined)[]> {
  const { ip = "192.0.2.10", helo = "mail.good.test", from = "x@good.test", to = ["ann@a.test"] } = session;
  const judging = new Judge(given, ip);
  if (session.early) judging.early("too soon");
  judging.hello(helo);
  judging.sender(from);
  const said: (Decision | undefined)[] = [];
  let before = 0;
  for (const recipient of to) {
    const decision = await judging.recipient(recipient, before);
    if (!decision) before++;
    said.push(decision);
  }
  return said;
}

/** "rule code" of the last recipient, or "". */
async function verdict(session: Session, given: JudgeOptions = options()): Promise<string> {
  const last = (await judge(session, given)).at(-1);
  return last ? `${last.rule} ${last.code} ${last.enhanced}` : "";
}

const spf = (kind: SpfFinding["kind"], more: Partial<SpfFinding> = {}) => ({
  spf: async () => ({ kind, evidence: kind, everybody: false, never: false, ...more }),
});

const unnamed = { ip: "203.0.113.99" };
const line = { ip: "192.0.2.77", helo: "dsl-192-0-2-77.dyn.isp.test" };

test("each rule says what docs/policy.md says", async () => {
  const rows: readonly (readonly [string, Session, Partial<Given>, string])[] = [
    ["everything in order", {}, {}, ""],
    ["a bounce", { from: "" }, {}, ""],
    ["denied", {}, { denied: true }, "access 554 5.7.1"],
    ["BADHOST", {}, { variables: { BADHOST: "bad" } }, "access 554 5.7.1"],
    ["RBLSMTPD, permanent", {}, { variables: { RBLSMTPD: "-no" } }, "access 553 5.7.1"],
    ["RBLSMTPD, temporary", {}, { variables: { RBLSMTPD: "no" } }, "access 451 4.7.1"],
    ["RBLSMTPD, empty", { early: true }, { variables: { RBLSMTPD: "" } }, ""],
    ["early talker", { early: true }, {}, "early-talker 554 5.5.1"],
    ["our name", { helo: "Mail.A.Test" }, {}, "hello-own 550 5.7.1"],
    ["our domain", { helo: "a.test." }, {}, "hello-own 550 5.7.1"],
    ["our address", { helo: "[203.0.113.1]" }, {}, "hello-own 550 5.7.1"],
    ["our name, from ourselves", { helo: "mail.a.test", ip: "203.0.113.1" }, {}, ""],
    ["another's address", { helo: "[192.0.2.11]" }, {}, "hello-address 550 5.7.1"],
    ["another's address, bare", { helo: "192.0.2.11" }, {}, "hello-address 550 5.7.1"],
    ["its own address", { helo: "[192.0.2.10]" }, {}, ""],
    ["no address", { helo: "1.2.3" }, {}, "hello-address 550 5.7.1"],
    ["its own IPv6 address", { ip: "2001:db8::1", helo: "[IPv6:2001:DB8:0::1]" }, {}, ""],
    ["starter feed", { helo: "pc.localdomain" }, {}, "hello-listed 550 5.7.1"],
    ["badhelo", { helo: "x.bad.test" }, { databases: { badhelo: [".bad.test"] } }, "hello-listed 550 5.7.1"],
    ["badhelo, not a suffix", { helo: "bad.test" }, { databases: { badhelo: [".bad.test"] } }, ""],
    [
      "badhelo/unknown",
      { ...unnamed, helo: "mail.good.test" },
      { databases: { "badhelo/unknown": [".test"] } },
      "hello-listed-unknown 550 5.7.1",
    ],
    ["badhelo/unknown, named", {}, { databases: { "badhelo/unknown": [".test"] } }, ""],
    ["no dot, unnamed", { ...unnamed, helo: "pc" }, {}, "hello-dotless 550 5.7.1"],
    ["no dot, unverified", { ip: "192.0.2.99", helo: "pc" }, {}, "hello-dotless 550 5.7.1"],
    ["no dot, unnamed, authorised", { ...unnamed, helo: "pc" }, spf("pass"), ""],
    [
      "no dot, unnamed, authorised by +all",
      { ...unnamed, helo: "pc" },
      spf("pass", { everybody: true }),
      "hello-dotless 550 5.7.1",
    ],
    ["no dot, named", { helo: "pc" }, {}, ""],
    ["not in DNS, unnamed", { ...unnamed, helo: "mx.nowhere.test" }, {}, "hello-unresolvable 550 5.7.1"],
    ["not in DNS, unnamed, authorised", { ...unnamed, helo: "mx.nowhere.test" }, spf("pass"), ""],
    ["not in DNS, named", { helo: "mx.nowhere.test" }, {}, ""],
    ["DNS fails, unnamed", { ...unnamed, helo: "broken.test" }, {}, ""],
    ["dynamic", line, {}, "client-dynamic 550 5.7.1"],
    ["dynamic, authorised", line, spf("pass"), ""],
    ["badmailfrom, address", {}, { databases: { badmailfrom: ["x@good.test"] } }, "sender-listed 553 5.7.1"],
    [
      "badmailfrom, domain",
      { from: "X@Good.test" },
      { databases: { badmailfrom: ["@good.test"] } },
      "sender-listed 553 5.7.1",
    ],
    ["badmailfrom, suffix", {}, { databases: { badmailfrom: [".test"] } }, "sender-listed 553 5.7.1"],
    [
      "badmailfrom, ACCEPTDOMAINS",
      {},
      { databases: { badmailfrom: ["@good.test"] }, variables: { ACCEPTDOMAINS: ".jp/@good.test" } },
      "",
    ],
    [
      "badmailfrom, RELIABLECLIENT",
      {},
      { databases: { badmailfrom: ["@good.test"] }, variables: { RELIABLECLIENT: "" } },
      "",
    ],
    ["ADONLY", {}, { variables: { ACCEPTDOMAINS: ".jp", ADONLY: "" } }, "sender-only 553 5.7.1"],
    ["ADONLY, one of them", {}, { variables: { ACCEPTDOMAINS: ".test", ADONLY: "" } }, ""],
    ["no domain", { from: "root" }, {}, "sender-domain 553 5.1.7"],
    ["short domain", { from: "root@localhost" }, {}, "sender-domain 550 5.1.8"],
    ["neither MX nor address", { from: "x@nowhere.test" }, {}, "sender-domain 550 5.1.8"],
    ["null MX", { from: "x@nullmx.test" }, {}, "sender-domain 550 5.7.27"],
    ["DNS fails", { from: "x@broken.test" }, {}, "sender-domain 451 4.4.3"],
    ["a VERP seed", { from: "list-@good.test-@[]" }, {}, ""],
    ["a literal", { from: "x@[192.0.2.10]" }, {}, ""],
    ["SPF fail, perhaps a forwarder", {}, spf("fail"), ""],
    ["SPF fail, HELO elsewhere", { helo: "elsewhere.test" }, spf("fail"), "spf 550 5.7.23"],
    ["SPF fail, unnamed", { ...unnamed, helo: "mail.good.test" }, spf("fail"), "spf 550 5.7.23"],
    ["SPF fail of a domain that sends nothing", {}, spf("fail", { never: true }), "spf 550 5.7.23"],
    ["SPF softfail", {}, spf("softfail"), ""],
    [
      "our sender, perhaps forwarded",
      { from: "bob@a.test" },
      { resolver: new TableResolver({ ...zones, "a.test": { A: ["203.0.113.1"] } }) },
      "",
    ],
    [
      "our sender, HELO elsewhere",
      { from: "bob@a.test", helo: "elsewhere.test" },
      { resolver: new TableResolver({ ...zones, "a.test": { A: ["203.0.113.1"] } }) },
      "sender-ours 550 5.7.1",
    ],
    ["badrcptto", {}, { databases: { badrcptto: ["ann@a.test"] } }, "recipient-listed 553 5.7.1"],
    ["a trap", { to: ["Trap@a.test"] }, { traps: ["trap@a.test"] }, "recipient-trap 550 5.1.1"],
    [
      "a trap, RELIABLECLIENT",
      { to: ["trap@a.test"] },
      { traps: ["trap@a.test"], variables: { RELIABLECLIENT: "" } },
      "",
    ],
    ["a bounce for two", { from: "", to: ["ann@a.test", "bob@a.test"] }, {}, "bounce-many 550 5.5.3"],
    ["listed", {}, { listings: async () => [{ zone: "bl.test", text: "", weight: 10 }] }, "score 550 5.7.1"],
    ["listed a little", {}, { listings: async () => [{ zone: "bl.test", text: "", weight: 3 }] }, ""],
    ["RELAYCLIENT", { ...unnamed, helo: "pc", from: "root" }, { variables: { RELAYCLIENT: "" } }, ""],
    ["postmaster", { helo: "1.2.3", to: ["Postmaster@a.test"] }, {}, ""],
    ["postmaster, denied", { to: ["postmaster@a.test"] }, { denied: true }, "access 554 5.7.1"],
  ];
  for (const [what, session, given, wanted] of rows)
    assert.equal(await verdict(session, options(given)), wanted, what);
});

test("exceptions: deny refuses whatever else is said, allow spares from all but access rules and what is wrong in itself", async () => {
  const both = ["allow from:@good.test", "deny to:ann@a.test"];
  const rows: readonly (readonly [string, readonly string[], Session, Partial<Given>, string])[] = [
    ["deny client", ["deny 192.0.2.0/24"], {}, {}, "exception 550 5.7.1"],
    ["deny name", ["deny .good.test"], {}, {}, "exception 550 5.7.1"],
    [
      "deny a name that is not verified",
      ["deny elsewhere.test"],
      { ip: "192.0.2.99", helo: "mail.good.test" },
      {},
      "",
    ],
    ["deny HELO", ["deny helo:.good.test"], {}, {}, "exception 550 5.7.1"],
    ["deny sender", ["deny @good.test"], {}, {}, "exception 550 5.7.1"],
    ["deny recipient", ["deny to:ann@a.test"], {}, {}, "exception 550 5.7.1"],
    ["deny another", ["deny to:bob@a.test", "deny @bad.test", "deny 192.0.2.11"], {}, {}, ""],
    ["deny RELAYCLIENT", ["deny 192.0.2.10"], {}, { variables: { RELAYCLIENT: "" } }, ""],
    [
      "deny RELIABLECLIENT",
      ["deny 192.0.2.10"],
      {},
      { variables: { RELIABLECLIENT: "" } },
      "exception 550 5.7.1",
    ],
    ["deny, postmaster", ["deny 192.0.2.10"], { to: ["postmaster@a.test"] }, {}, ""],
    ["expired", ["deny 192.0.2.10 until 1960-01-01"], {}, {}, ""],
    ["allow client, HELO", ["allow 192.0.2.10"], { helo: "1.2.3" }, {}, ""],
    [
      "allow client, banned",
      ["allow 192.0.2.10"],
      {},
      {
        memory: {
          meet: async () => ({ ban: { until: 1, why: "" }, known: false, reputation: 0, guesses: 0 }),
        },
      },
      "",
    ],
    [
      "allow name, listed",
      ["allow name:mail.good.test"],
      {},
      { listings: async () => [{ zone: "bl.test", text: "", weight: 20 }] },
      "",
    ],
    ["allow HELO", ["allow helo:pc"], { ...unnamed, helo: "pc" }, {}, ""],
    ["allow sender, early", ["allow from:x@good.test"], { early: true }, {}, ""],
    ["allow sender, SPF", ["allow from:x@good.test"], { helo: "elsewhere.test" }, spf("fail"), ""],
    [
      "allow sender, badmailfrom",
      ["allow from:x@good.test"],
      {},
      { databases: { badmailfrom: ["@good.test"] } },
      "",
    ],
    ["allow recipient, HELO", ["allow to:ann@a.test"], { helo: "1.2.3" }, {}, ""],
    ["allow another", ["allow to:bob@a.test"], { helo: "1.2.3" }, {}, "hello-address 550 5.7.1"],
    ["allow, denied by tcprules", ["allow 192.0.2.10"], {}, { denied: true }, "access 554 5.7.1"],
    ["allow, our name", ["allow 192.0.2.10"], { helo: "mail.a.test" }, {}, "hello-own 550 5.7.1"],
    [
      "allow, badrcptto",
      ["allow 192.0.2.10"],
      {},
      { databases: { badrcptto: ["ann@a.test"] } },
      "recipient-listed 553 5.7.1",
    ],
    [
      "allow, a bounce for two",
      ["allow 192.0.2.10"],
      { from: "", to: ["ann@a.test", "bob@a.test"] },
      {},
      "bounce-many 550 5.5.3",
    ],
    ["allow and deny of different kinds", both, {}, {}, "exception 550 5.7.1"],
    ["the narrower of one kind", ["deny 192.0.2.0/24", "allow 192.0.2.10"], { helo: "1.2.3" }, {}, ""],
  ];
  for (const [what, exceptions, session, given, wanted] of rows)
    assert.equal(await verdict(session, options({ ...given, exceptions })), wanted, what);
});

test("an exception for one recipient is none for the next", async () => {
  const said = await judge(
    { helo: "1.2.3", to: ["bob@a.test", "ann@a.test", "bob@a.test"] },
    options({ exceptions: ["allow to:ann@a.test"] }),
  );
  assert.deepEqual(
    said.map((each) => each?.rule),
    ["hello-address", undefined, "hello-address"],
  );
});

test("the ledger's word: bans, guesses, greylisting of the suspicious, and who is known", async () => {
  const remembered = { ban: undefined, known: false, reputation: 0, guesses: 0 };
  const memory = (more: object) => ({ meet: async () => ({ ...remembered, ...more }) });
  assert.equal(
    await verdict({}, options({ memory: memory({ ban: { until: 1, why: "" } }) })),
    "ban 421 4.7.0",
  );
  assert.equal(await verdict({}, options({ memory: memory({ guesses: 50 }) })), "guesses 421 4.7.0");
  assert.equal(await verdict({ early: true }, options({ memory: memory({ known: true }) })), "");
  const asked: string[][] = [];
  const wait = {
    greylist: async (...words: string[]) => {
      asked.push(words);
      return { kind: "wait", until: 0 } as const;
    },
  };
  const listings = async () => [{ zone: "bl.test", text: "", weight: 8 }];
  assert.equal(await verdict({}, options({ memory: wait })), "", "not suspicious");
  assert.equal(await verdict({}, options({ memory: wait, listings })), "greylist 451 4.7.1");
  assert.equal(await verdict({}, options({ memory: wait, listings, ...spf("pass") })), "greylist 451 4.7.1");
  // suspicious for another reason, but on an allow list
  const vouched = options(
    { memory: wait, listings: async () => [{ zone: "wl.test", text: "", weight: -1 }] },
    { thresholds: { reject: 10, suspicious: -1 } },
  );
  assert.equal(await verdict({}, vouched), "");
  assert.deepEqual(asked, [
    ["192.0.2.0/24", "x@good.test", "ann@a.test"],
    ["good.test", "x@good.test", "ann@a.test"],
  ]);
  const correspondent = { ...wait, correspondent: async () => true };
  assert.equal(await verdict({}, options({ memory: correspondent, listings, ...spf("pass") })), "");
  assert.equal(
    await verdict({}, options({ memory: correspondent, listings })),
    "greylist 451 4.7.1",
    "may be forged",
  );
});

test("reputation tips the scales and refuses nobody by itself", async () => {
  const none = { ban: undefined, known: false, reputation: 0, guesses: 0 };
  const weigh = (weight: number) => ({ listings: async () => [{ zone: "bl.test", text: "", weight }] });
  const wait = async () => ({ kind: "wait", until: 0 }) as const;
  const remembered = (client: number, hello: number, domain: number): Partial<Given> => ({
    memory: {
      meet: async () => ({ ...none, reputation: client }),
      regard: async () => ({ hello, domain }),
      greylist: wait,
    },
  });
  const rows: readonly (readonly [string, readonly [number, number, number], number, string])[] = [
    ["the worst of all", [-10, -10, -10], 0, ""],
    ["the worst client on a list", [-10, 0, 0], 6, "score 550 5.7.1"],
    ["the worst domain on a list", [0, 0, -10], 6, "score 550 5.7.1"],
    ["the worst HELO on a list", [0, -10, 0], 6, "greylist 451 4.7.1"],
    ["a bad client on a list", [-3, 0, 0], 5, "greylist 451 4.7.1"],
    ["a bad client", [-3, 0, 0], 4, ""],
    ["nobody", [0, 0, 0], 7, "greylist 451 4.7.1"],
    ["a good client", [10, 0, 0], 8, ""],
    ["a good domain", [0, 0, 10], 8, ""],
    ["a good HELO says nothing", [0, 10, 0], 8, "greylist 451 4.7.1"],
    ["bad outweighs good", [-10, 0, 10], 6, "score 550 5.7.1"],
  ];
  for (const [what, regard, weight, wanted] of rows)
    assert.equal(await verdict({}, options({ ...weigh(weight), ...remembered(...regard) })), wanted, what);
});

test("the ledger hears of names only what they are worth", async () => {
  const asked: unknown[] = [];
  const memory = {
    regard: async (named: object) => {
      asked.push(named);
      return { hello: 0, domain: 0 };
    },
  };
  await verdict({}, options({ memory }));
  await verdict({ helo: "Elsewhere.test" }, options({ memory, ...spf("pass") }));
  await verdict({}, options({ memory, ...spf("pass", { everybody: true }) }));
  assert.deepEqual(asked, [
    { hello: "mail.good.test", confirmed: true, domain: "" },
    { hello: "elsewhere.test", confirmed: false, domain: "good.test" },
    { hello: "mail.good.test", confirmed: true, domain: "" },
  ]);
});

test("recipients that do not exist count at once, also without a ledger", async () => {
  const judging = new Judge(options(), "192.0.2.10");
  judging.hello("mail.good.test");
  judging.sender("x@good.test");
  for (let n = 0; n < 20; n++) judging.unknown();
  const said = await judging.recipient("ann@a.test", 0);
  assert.deepEqual([said?.rule, said?.code, said?.now], ["guesses", 421, true]);
});

test("a slow session waits, whatever comes of it", async () => {
  const clock = new FakeClock();
  const meet = async () => ({ ban: undefined, known: false, reputation: 0, guesses: 7 });
  const judged = verdict({}, options({ clock, memory: { meet } }));
  let done = false;
  void judged.then(() => (done = true));
  await clock.advance(4000);
  assert.equal(done, false);
  await clock.advance(2000);
  assert.equal(await judged, "");
});

test("the configuration knows every rule", () => {
  assert.deepEqual(configured, ruleIds);
});

test("a refusal stands until what it is about changes", async () => {
  const given = options();
  const judging = new Judge(given, "192.0.2.10");
  const ask = async () => (await judging.recipient("ann@a.test", 0))?.rule ?? "";
  judging.hello("1.2.3");
  judging.sender("x@good.test");
  assert.equal(await ask(), "hello-address");
  judging.sender("y@good.test");
  assert.equal(await ask(), "hello-address");
  judging.hello("mail.good.test");
  judging.sender("x@nowhere.test");
  assert.equal(await ask(), "sender-domain");
  assert.equal(await ask(), "sender-domain");
  judging.sender("x@good.test");
  assert.equal(await ask(), "");
});

test("modes: what is observed is recorded and refuses nothing, what is off does not run", async () => {
  for (const mode of ["observe", "off"] as const) {
    const modes = new Map<string, Mode>([["hello-address", mode]]);
    const judging = new Judge(options({}, { modes }), "192.0.2.10");
    judging.hello("1.2.3");
    judging.sender("x@good.test");
    assert.equal(await judging.recipient("ann@a.test", 0), undefined);
    const hello = (await judging.record()).find(({ stage }) => stage === "hello");
    const record = hello?.rules.find(({ rule }) => rule === "hello-address");
    assert.equal(record?.verdict, mode === "off" ? undefined : "reject");
  }
});

test("order: the rules that the site names run first in their stage, the others follow as they stand", async () => {
  const rulesAt = async (order: readonly string[]) => {
    const judging = new Judge(options({}, { all: true, stages: stagesBy(order) }), "192.0.2.10");
    judging.hello("1.2.3");
    judging.sender("x@good.test");
    await judging.recipient("ann@a.test", 0);
    const stages = await judging.record();
    return new Map(stages.map(({ stage, rules }) => [stage, rules.map(({ rule }) => rule)]));
  };
  const asTheyStand = await rulesAt([]);
  const given = await rulesAt(["spf", "dnsbl", "hello-listed", "senderless", "sender-domain"]);
  assert.deepEqual(given.get("connect"), [
    "dnsbl",
    ...(asTheyStand.get("connect") ?? []).filter((id) => id !== "dnsbl"),
  ]);
  assert.deepEqual(given.get("hello")?.slice(0, 2), ["hello-listed", "exception"]);
  assert.deepEqual(given.get("sender")?.slice(0, 3), ["spf", "sender-domain", "exception"]);
  assert.deepEqual(given.get("recipient"), asTheyStand.get("recipient"));
});

test("order: who refuses first has the word", async () => {
  const session = { from: "x@nowhere.test" };
  const databases = { badmailfrom: ["x@nowhere.test"] };
  const refusedBy = async (order: readonly string[]) => {
    const [decision] = await judge(session, options({ databases }, { stages: stagesBy(order) }));
    return decision?.rule;
  };
  assert.equal(await refusedBy([]), "sender-listed");
  assert.equal(await refusedBy(["sender-domain"]), "sender-domain");
});

test("what takes too long or fails refuses no mail, and is told", async () => {
  const clock = new FakeClock();
  const told: string[] = [];
  const given = options(
    {
      clock,
      resolver: new TableResolver({ ...zones, "10.2.0.192.in-addr.arpa": "silent" }),
      databases: {
        get badhelo(): readonly string[] {
          throw new Error("disk gone");
        },
      },
      listings: () => new Promise(() => {}),
      memory: { meet: () => Promise.reject(new Error("ledger away")) },
    },
    { trouble: (text) => told.push(text) },
  );
  const judged = verdict({}, given);
  await clock.advance(60_000);
  assert.equal(await judged, "");
  assert.deepEqual(told, ["Rule hello-listed failed and was skipped: disk gone"]);
});

test("a rule that is to put clients off when it fails does so, and no other", async () => {
  const told: string[] = [];
  const given = options(
    {
      databases: {
        get badhelo(): readonly string[] {
          throw new Error("disk gone");
        },
      },
    },
    { trouble: (text) => told.push(text), deferring: new Set(["hello-listed"]) },
  );
  assert.equal(await verdict({}, given), "hello-listed 451 4.7.1");
  assert.deepEqual(told, ["Rule hello-listed failed and puts clients off: disk gone"]);
  const [, judged] = await judge({ to: ["a@a.test", "postmaster@a.test"] }, given);
  assert.equal(judged, undefined, "who is put off may ask");
});

test("behind a refusal nothing more is looked up, unless all is to be explained", async () => {
  const resolver = new TableResolver(zones);
  await verdict({ helo: "1.2.3" }, options({ resolver }));
  const few = resolver.asked.length;
  const all = options({ resolver }, { all: true });
  const judging = new Judge(all, "192.0.2.77");
  judging.hello("1.2.3");
  judging.sender("x@nowhere.test");
  const said = await judging.recipient("ann@a.test", 0);
  assert.equal(said?.rule, "hello-address");
  await judging.message({ from: [], hasDate: false, utf8: false, eightBit: "none", depth: 0 }, []);
  const rules = (await judging.record()).flatMap(({ rules: each }) => each.map(({ rule }) => rule));
  assert.deepEqual([...new Set(rules)], ruleIds);
  assert.ok(resolver.asked.length > few);
});
