import assert from "node:assert/strict";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Logger } from "#log/logger.ts";
import type { Fate } from "#policy/replay/fate.ts";
import type { SessionRecord } from "#policy/replay/record.ts";
import { sessionLines } from "#store/ledger/sessions.ts";
import { type Disk, realDisk } from "#sys/disk.ts";
import { answerVerbs } from "#talk/answerer.ts";
import { Caller } from "#talk/caller.ts";
import * as recall from "#talk/recall.ts";
import { BrokenDisk } from "#test/support/brokendisk.ts";
import { FakeClock, settle } from "#test/support/clock.ts";
import { taken } from "#test/support/sessionrecord.ts";
import { temporaryDirectory } from "#test/support/temporary.ts";
import { banKey } from "./bans.ts";
import { networkOf } from "./ledger.ts";
import { controlVerbs, mailVerbs, openLedger, smtpdVerbs } from "./main.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const slice = {
  log: "info",
  days: 30,
  size: 1 << 28,
  greylistDelay: 5 * MINUTE,
  greylistWindow: 2 * DAY,
  ban: HOUR,
} as const;

async function open<D extends Disk = BrokenDisk>(
  clock = new FakeClock(),
  disk: D = new BrokenDisk() as Disk as D,
  settings: { readonly greylistDelay?: number; readonly ban?: number } = {},
  directory = ".",
) {
  const lines: string[] = [];
  const log = new Logger({ role: "ledger", clock, level: "info", sink: (line) => lines.push(line) });
  const opened = await openLedger({ ...slice, ...settings }, { clock, log, disk, directory });
  return { ...opened, clock, disk, lines, log };
}

const IP = "192.0.2.10";

function session(changes: Partial<SessionRecord> = {}): SessionRecord {
  return {
    id: "s1",
    at: Date.UTC(2026, 0, 1),
    time: "2026-01-01T00:00:00.000Z",
    ip: IP,
    name: "mail.good.test",
    hello: "mail.good.test",
    ...taken,
    sender: "x@good.test",
    recipients: [{ address: "ann@a.test", reply: "250 2.1.5 Recipient ok" }],
    stages: [],
    ms: 10,
    ...changes,
  };
}

const refusedBy = (rule: string, code = 550): Partial<SessionRecord> => ({
  messages: 0,
  accepted: 0,
  verdict: code < 500 ? "deferred" : "refused",
  refusals: 1,
  refused: [{ rule, code, from: "x@good.test", to: "ann@a.test" }],
});

const guessing = (unknown: number, ip = IP) => session({ ip, messages: 0, accepted: 0, unknown });

test("greylisting: wait for the delay, then pass, then the whole network passes; who comes too late is new", async () => {
  const { ledger, clock } = await open();
  const ask = (who = "192.0.2.0/24", sender = "x@good.test", to = "ann@a.test") =>
    ledger.greylist(who, sender, to).kind;
  const first = ledger.greylist("192.0.2.0/24", "x@good.test", "ann@a.test");
  assert.deepEqual(first, { kind: "wait", until: clock.now() + 5 * MINUTE });
  await clock.advance(5 * MINUTE - 1);
  assert.equal(ask(), "wait");
  assert.deepEqual(ledger.greylist("192.0.2.0/24", "X@good.test", "Ann@a.test"), first, "the same three");
  assert.equal(ask("192.0.2.0/24", "y@good.test"), "wait");
  await clock.advance(1);
  assert.equal(ask("198.51.100.0/24"), "wait", "another network is another client");
  assert.equal(ask(), "pass");
  assert.equal(ask("192.0.2.0/24", "z@other.test", "bob@a.test"), "pass", "the network has passed");
  await clock.advance(limits.ledger.passedLife - 1);
  assert.equal(ask(), "pass");
  await clock.advance(limits.ledger.passedLife);
  assert.equal(ask(), "wait", "nothing was heard of it");
  await clock.advance(2 * DAY + 1);
  assert.equal(ask(), "wait", "it came too late");
  await clock.advance(5 * MINUTE);
  assert.equal(ask(), "pass");
  // the domain that vouches for a pool of senders stands in the network's place
  assert.equal(ask("good.test"), "wait");
  await clock.advance(5 * MINUTE);
  assert.equal(ask("Good.test"), "pass");
});

test("no delay: everybody passes", async () => {
  const { ledger } = await open(undefined, undefined, { greylistDelay: 0 });
  assert.equal(ledger.greylist("192.0.2.0/24", "", "ann@a.test").kind, "pass");
});

test("reputation comes slowly, goes quickly, and fades", async () => {
  const { ledger, clock } = await open();
  for (let n = 0; n < 50; n++) ledger.note(session());
  assert.deepEqual(
    ledger.meet(IP),
    { known: false, reputation: 1, guesses: 0 },
    "one burst is one good session",
  );
  for (let n = 2; n <= 4; n++) {
    assert.equal(ledger.meet(IP).known, false);
    await clock.advance(HOUR);
    ledger.note(session());
  }
  assert.equal(ledger.meet(IP).known, true);
  assert.equal(ledger.meet("192.0.2.11").known, false, "a neighbour is not known");
  assert.equal(ledger.meet("192.0.2.11").reputation, 0, "good neighbours make nobody good");
  ledger.note(session(refusedBy("hello-address")));
  assert.equal(ledger.meet(IP).known, false);
  for (let n = 0; n < 30; n++) ledger.note(session(refusedBy("hello-address")));
  assert.equal(ledger.meet(IP).reputation, -10);
  assert.ok(ledger.meet("192.0.2.11").reputation <= -1, "bad neighbours count half");
  await clock.advance(limits.ledger.reputationHalf);
  assert.equal(ledger.meet(IP).reputation, -5);
  await clock.advance(limits.ledger.subjectLife);
  assert.equal(ledger.meet(IP).reputation, 0);
});

test("what repeats an old word, and what is only put off, is held against nobody", async () => {
  const rows = [
    ["greylist", 451, 0],
    ["ban", 421, 0],
    ["guesses", 421, 0],
    ["access", 554, 0],
    ["recipient-listed", 553, 0],
    ["sender-domain", 451, 0],
    ["sender-domain", 550, -1],
    ["spf", 550, -1],
  ] as const;
  for (const [rule, code, wanted] of rows) {
    const { ledger } = await open();
    ledger.note(session(refusedBy(rule, code)));
    assert.equal(ledger.meet(IP).reputation, wanted, `${rule} ${code}`);
  }
});

test("who forges a name does not hurt its owner", async () => {
  const { ledger, clock } = await open();
  for (let n = 0; n < 12; n++)
    ledger.note(session({ ...refusedBy("spf"), ip: `203.0.113.${n}`, confirmed: false }));
  assert.deepEqual(ledger.regard("Mail.good.test", true, "good.test"), { hello: 0, domain: 0 });
  assert.equal(ledger.regard("mail.good.test", false, "").hello, -6);
  ledger.note(session({ ...refusedBy("dnsbl"), domain: "Good.test" }));
  assert.equal(ledger.regard("", true, "good.test").domain, -1);
  for (let n = 0; n < 3; n++) {
    await clock.advance(HOUR);
    ledger.note(session({ domain: "shop.test", hello: "mail.shop.test" }));
  }
  assert.deepEqual(ledger.regard("mail.shop.test", true, "shop.test"), { hello: 3, domain: 3 });
});

test("guesses: counted for address and network, taken back by recipients that exist, forgotten soon, then a ban", async () => {
  const { ledger, clock, lines } = await open();
  ledger.note(guessing(10));
  assert.equal(ledger.meet(IP).guesses, 10);
  assert.equal(ledger.meet("192.0.2.99").guesses, 2, "a quarter for the neighbours");
  ledger.note(session({ accepted: 4 }));
  assert.equal(ledger.meet(IP).guesses, 6);
  await clock.advance(limits.ledger.guessHalf);
  assert.equal(ledger.meet(IP).guesses, 3);
  for (let n = 0; n < 3; n++) ledger.note(guessing(20));
  const { ban } = ledger.meet(IP);
  assert.equal(ban?.until, clock.now() + HOUR);
  assert.match(ban?.why ?? "", /^asked for \d+ recipients that do not exist$/);
  assert.match(lines.join("\n"), /ledger_ban client=192\.0\.2\.10 .*author=ledger/);
  assert.equal(ledger.meet("192.0.2.99").ban, undefined);
  await clock.advance(HOUR);
  assert.equal(ledger.meet(IP).ban, undefined);
  for (let n = 0; n < 3; n++) ledger.note(guessing(20));
  assert.equal(ledger.meet(IP).ban?.until, clock.now() + 2 * HOUR, "twice as long");
  for (let n = 20; n < 40; n++) ledger.note(guessing(13, `192.0.2.${n}`));
  assert.ok(ledger.meet("192.0.2.99").ban, "the whole network");
  assert.equal(ledger.meet("192.0.3.1").ban, undefined);
});

test("who goes on though he was sent away is banned in the end; who comes again now and then is not", async () => {
  const { ledger, clock } = await open();
  const away = session(refusedBy("guesses", 421));
  ledger.note(guessing(20));
  for (let n = 0; n < 39; n++) ledger.note(away);
  assert.equal(ledger.meet(IP).ban, undefined);
  ledger.note(away);
  assert.ok(ledger.meet(IP).ban);
  const patient = await open(clock);
  patient.ledger.note(guessing(20));
  for (let n = 0; n < 100; n++) {
    await clock.advance(5 * MINUTE);
    patient.ledger.note(away);
  }
  assert.equal(patient.ledger.meet(IP).ban, undefined);
});

test("the second trap bans; a known client is not banned; no automatic bans when there are to be none", async () => {
  const trap = session({ ...refusedBy("recipient-trap"), traps: 1 });
  const { ledger, clock } = await open();
  ledger.note(trap);
  assert.deepEqual([ledger.meet(IP).reputation, ledger.meet(IP).ban], [-5, undefined]);
  ledger.note(trap);
  assert.match(ledger.meet(IP).ban?.why ?? "", /traps 2 times/);
  const good = await open();
  for (let n = 0; n < 10; n++) {
    await good.clock.advance(HOUR);
    good.ledger.note(session());
  }
  good.ledger.note(guessing(100));
  assert.equal(good.ledger.meet(IP).ban, undefined, "known");
  const mild = await open(clock, new BrokenDisk(), { ban: 0 });
  for (let n = 0; n < 3; n++) mild.ledger.note(trap);
  assert.equal(mild.ledger.meet(IP).ban, undefined);
});

test("correspondents: addresses and domains our users wrote to, but not everybody at a public provider", async () => {
  const { ledger, clock } = await open();
  ledger.wrote(["Bob@Shop.test", "eve@gmail.com", "odd"]);
  const rows = [
    ["bob@shop.test", true],
    ["sales@SHOP.test", true],
    ["x@notshop.test", false],
    ["x@sub.shop.test", false],
    ["eve@gmail.com", true],
    ["mallory@gmail.com", false],
    ["", false],
  ] as const;
  for (const [address, known] of rows) assert.equal(ledger.correspondent(address), known, address);
  await clock.advance(limits.ledger.correspondentLife);
  assert.equal(ledger.correspondent("bob@shop.test"), false);
});

test("bans of addresses and of networks of any size", async () => {
  const { ledger, clock } = await open();
  const ban = { until: clock.now() + HOUR, since: clock.now(), why: "x", author: "root" };
  const add = (client: string) => {
    const key = banKey(client);
    assert.ok(key.ok, client);
    ledger.bans.add(key.value, ban, clock.now());
  };
  const rows = [
    ["192.0.2.7", "192.0.2.7", "192.0.2.8"],
    ["198.51.100.0/25", "198.51.100.127", "198.51.100.128"],
    ["10.0.0.0/8", "10.255.0.1", "11.0.0.1"],
    ["2001:DB8::/32", "2001:db8:1::1", "2001:db9::1"],
    ["2001:db9::5", "2001:db9:0::5", "2001:db9::6"],
    ["::ffff:203.0.113.9", "203.0.113.9", "203.0.113.10"],
  ] as const;
  for (const [client, inside, outside] of rows) {
    assert.equal(ledger.meet(inside).ban, undefined, inside);
    add(client);
    assert.ok(ledger.meet(inside).ban, inside);
    assert.equal(ledger.meet(outside).ban, undefined, outside);
  }
  assert.ok(ledger.bans.remove("10.0.0.0/8"));
  assert.equal(ledger.meet("10.1.2.3").ban, undefined);
  for (const wrong of ["", "x", "1.2.3", "192.0.2.1/24", "0.0.0.0/0", "::/0", "192.0.2.0/33"])
    assert.equal(banKey(wrong).ok, false, wrong);
  assert.deepEqual(
    ledger.bans.page("", 2, clock.now()).map(({ client }) => client),
    ["192.0.2.7", "198.51.100.0/25"],
  );
  assert.equal(ledger.bans.page("192.0.2.7", 100, clock.now()).length, 4);
  // the ledger's own never push out what a person wrote
  assert.equal(
    ledger.bans.add("192.0.2.7", { ...ban, author: "ledger", until: ban.until + 1 }, clock.now()),
    false,
  );
  await clock.advance(HOUR);
  assert.equal(ledger.bans.page("", 100, clock.now()).length, 0);
});

test("automatic bans make no room for themselves at the cost of a person's", async () => {
  const { ledger, clock } = await open();
  const ban = { until: clock.now() + HOUR, since: 0, why: "", author: "root" };
  for (let n = 0; n < limits.ledger.bans; n++) ledger.bans.add(`10.0.${n >> 8}.${n & 255}`, ban, clock.now());
  assert.equal(ledger.bans.add("192.0.2.1", { ...ban, author: "ledger" }, clock.now()), false);
  assert.ok(ledger.meet("10.0.0.0").ban);
});

test("a flood of strangers stays within the bounds", async (context) => {
  const directory = temporaryDirectory(context);
  const clock = new FakeClock();
  const { ledger, memory, sessions } = await open(clock, realDisk, {}, directory);
  const most = limits.ledger.subjects;
  for (let n = 0; n < most + 5000; n++) {
    const ip = `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
    ledger.note(session({ ...refusedBy("spf"), ip, hello: `h${n}`, confirmed: false }));
  }
  await memory.close();
  await sessions.close();
  const at = path.join(directory, "ledger");
  const [name = ""] = (await realDisk.list(at)).filter((each) => each.startsWith("memory."));
  const { size = 0 } = (await realDisk.stat(path.join(at, name))) ?? {};
  assert.ok(size > 0 && size < 60 * 1024 * 1024, `${size} bytes`);
  const again = await open(clock, realDisk, {}, directory);
  await again.memory.close();
  const [, records] = /records=(\d+)/.exec(again.lines.join("\n")) ?? [];
  assert.ok(Number(records) > 2 * most && Number(records) < 3 * most, `${records}`);
});

test("all of it is there after a kill; the last moment may be missing", async () => {
  const clock = new FakeClock();
  const first = await open(clock);
  first.ledger.greylist("192.0.2.0/24", "x@good.test", "ann@a.test");
  first.ledger.wrote(["bob@shop.test"]);
  first.ledger.note(guessing(8));
  first.sessions.add(JSON.stringify(guessing(8)));
  await clock.advance(limits.ledger.gather);
  await settle();
  first.ledger.greylist("198.51.100.0/24", "x@good.test", "ann@a.test");
  const again = await open(clock, first.disk.killed(3));
  assert.match(again.lines.join("\n"), /ledger_recovered records=\d+ dropped=0/);
  assert.equal(again.ledger.meet(IP).guesses, 8);
  assert.equal(again.ledger.correspondent("bob@shop.test"), true);
  await clock.advance(5 * MINUTE);
  assert.equal(again.ledger.greylist("192.0.2.0/24", "x@good.test", "ann@a.test").kind, "pass");
  assert.equal(again.ledger.greylist("198.51.100.0/24", "x@good.test", "ann@a.test").kind, "wait");
  for await (const { lines } of sessionLines(first.disk, "ledger/sessions"))
    assert.equal((JSON.parse(lines[0] ?? "") as SessionRecord).unknown, 8);
});

test("who brings what people throw into Junk does not become known for it; out of Junk it counts again", async () => {
  const { ledger, clock, disk } = await open();
  const bring = async (mail: string, ip = IP) => {
    ledger.note(session({ ip, mail: [mail], domain: "good.test" }));
    await clock.advance(HOUR);
  };
  const fate = (mail: string, word: Fate["fate"], of = 0) => ledger.became({ mail, of, fate: word });
  for (let n = 0; n < 5; n++) await bring(`m-${n}`);
  assert.equal(ledger.meet(IP).known, true);
  fate("m-0", "delivered");
  fate("m-9", "junked");
  fate("m-0", "kept");
  assert.equal(ledger.meet(IP).reputation, 5, "nothing of that says anything");
  fate("m-0", "junked");
  fate("m-0", "junked", 1);
  // the same hour
  fate("m-1", "junked");
  assert.deepEqual([ledger.meet(IP).known, ledger.meet(IP).reputation], [false, 3]);
  assert.deepEqual(ledger.regard("mail.good.test", true, "good.test"), { hello: 3, domain: 3 });
  fate("m-1", "kept");
  assert.equal(ledger.meet(IP).reputation, 3, "what did not count is not given back");
  fate("m-0", "kept");
  assert.equal(ledger.meet(IP).known, true);
  await clock.advance(HOUR);
  for (const mail of ["m-2", "m-3", "m-4"]) {
    fate(mail, "junked");
    await clock.advance(HOUR);
  }
  assert.equal(ledger.meet(IP).reputation, -1);
  // who has brought what is known after a restart, for a month
  await settle();
  const again = await open(clock, disk.killed(1));
  again.ledger.became({ mail: "m-4", of: 0, fate: "kept" });
  assert.equal(again.ledger.meet(IP).reputation, 1);
  await clock.advance(31 * DAY);
  const before = again.ledger.meet(IP).reputation;
  again.ledger.became({ mail: "m-3", of: 0, fate: "kept" });
  assert.equal(again.ledger.meet(IP).reputation, before);
});

async function answered(context: TestContext) {
  const opened = await open();
  const at = temporaryDirectory(context);
  const { ledger, sessions, memory, clock, log } = opened;
  const trouble = () => {};
  const made = await Promise.all(
    Object.entries({
      smtpd: smtpdVerbs(ledger, sessions),
      control: controlVerbs({ ledger, memory, clock, log }),
      local: mailVerbs(ledger, sessions, clock),
    }).map(async ([peer, verbs]) => {
      const socket = path.join(at, `${peer}.sock`);
      const answering = await answerVerbs(socket, verbs, { trouble });
      const caller = new Caller({ path: socket, clock: systemClock });
      context.after(() => {
        caller.close();
        answering.close();
      });
      return caller;
    }),
  );
  return { ...opened, smtpd: made[0] as Caller, control: made[1] as Caller, local: made[2] as Caller };
}

test("smtpd and the command line ask what is theirs, and nothing else", async (context) => {
  const { smtpd, control, clock, disk } = await answered(context);
  const stranger = { known: false, reputation: 0, guesses: 0 };
  assert.deepEqual(await smtpd.ask(recall.meet, { address: IP }), stranger);
  await smtpd.ask(recall.note, guessing(7));
  assert.equal((await smtpd.ask(recall.meet, { address: IP })).guesses, 7);
  await smtpd.ask(recall.wrote, { recipients: ["bob@shop.test"] });
  assert.deepEqual(await smtpd.ask(recall.correspondent, { address: "x@shop.test" }), { known: true });
  assert.deepEqual(await smtpd.ask(recall.regard, { hello: "x", confirmed: false, domain: "" }), {
    hello: 0,
    domain: 0,
  });
  const ban: recall.Ban = {
    client: "203.0.113.0/24",
    until: clock.now() + HOUR,
    since: clock.now(),
    why: "spam",
    author: "root",
  };
  assert.deepEqual(await control.ask(recall.banAdd, ban), { problem: "" });
  assert.deepEqual((await smtpd.ask(recall.meet, { address: "203.0.113.5" })).ban, {
    until: ban.until,
    why: "spam",
  });
  // answered, it is on disk
  const after = await open(clock, disk.crash(1, 0));
  assert.ok(after.ledger.meet("203.0.113.5").ban);
  assert.deepEqual(await control.ask(recall.banList, { after: "", most: 10 }), { bans: [ban] });
  assert.deepEqual(await control.ask(recall.banDelete, { client: "203.0.113.0/24" }), { found: true });
  assert.deepEqual(await control.ask(recall.banDelete, { client: "203.0.113.0/24" }), { found: false });
  assert.notEqual((await control.ask(recall.banAdd, { ...ban, client: "x" })).problem, "");
  await assert.rejects(smtpd.ask(recall.banAdd, ban), { name: "Trouble" });
  await assert.rejects(control.ask(recall.meet, { address: IP }), { name: "Trouble" });
});

test("what became of mail stands behind the session that brought it, which says whether our users write to its sender", async (context) => {
  const { smtpd, local, clock, disk } = await answered(context);
  await smtpd.ask(recall.note, session({ mail: ["m-1"] }));
  await smtpd.ask(recall.wrote, { recipients: ["x@good.test"] });
  await smtpd.ask(recall.note, session({ mail: ["m-2"] }));
  await smtpd.ask(recall.note, session({ sender: "", mail: ["m-3"] }));
  const fates: readonly Fate[] = [
    { mail: "m-1", of: 0, fate: "delivered" },
    { mail: "m-1", of: 0, fate: "junked" },
  ];
  await local.ask(recall.became, { fates });
  await clock.advance(limits.ledger.gather);
  await settle();
  const all: string[] = [];
  for await (const { lines } of sessionLines(disk, "ledger/sessions")) all.push(...lines);
  assert.deepEqual(
    all.slice(0, 3).map((line) => (JSON.parse(line) as SessionRecord).correspondent),
    [undefined, true, undefined],
  );
  assert.deepEqual(
    all.slice(3).map((line) => JSON.parse(line) as unknown),
    fates.map((fate) => ({ ...fate, at: clock.now() - limits.ledger.gather })),
  );
  await assert.rejects(local.ask(recall.meet, { address: IP }), { name: "Trouble" });
});

test("networks are /24 and /64", () => {
  assert.equal(networkOf("192.0.2.77"), "192.0.2.0/24");
  assert.equal(networkOf("2001:db8:1:2:3::4"), "2001:db8:1:2::/64");
  assert.equal(networkOf("::ffff:192.0.2.77"), "192.0.2.0/24");
});
