import assert from "node:assert/strict";
import test from "node:test";
import { limits } from "#base/limits.ts";
import { NetworkResolver } from "#sys/resolver.ts";
import { FakeClock, settle } from "#test/support/clock.ts";
import { TableResolver } from "#test/support/table.ts";
import { startZone, type Zones } from "#test/support/zone.ts";
import { Blocklists, type Checked } from "./dnsbl.ts";
import { parseListEntries } from "./dnsblentry.ts";
import type { ListAlert } from "./dnsblhealth.ts";

const LIST = "bl.example.org";
/** The canaries of a list that is well. */
const well = (zone = LIST): Zones => ({ [`2.0.0.127.${zone}`]: { A: ["127.0.0.2"] } });
const client = (last: number, zone = LIST) => `${last}.2.0.192.${zone}`;
const listed = (last: number, ...A: string[]): Zones => ({ [client(last)]: { A } });

function world(texts: readonly string[], zones: Zones) {
  const entries = parseListEntries(texts);
  assert.ok(entries.ok, JSON.stringify(entries));
  const clock = new FakeClock();
  const resolver = new TableResolver(zones);
  const alerts: ListAlert[] = [];
  const options = {
    entries: entries.value,
    resolver,
    clock,
    alert: (alert: ListAlert) => alerts.push(alert),
  };
  const lists = new Blocklists(options);
  const short = ({ listings, score, unanswered }: Checked) => ({
    found: listings.map((one) => `${one.zone} ${one.codes.join(",")} ${one.weight}`),
    score,
    ...(unanswered.length === 0 ? {} : { unanswered: unanswered.map(({ why }) => why) }),
  });
  const check = async (address: string) => short(await lists.checkAddress(address));
  const domain = async (name: string) => short(await lists.checkDomain(name));
  /** What becomes of a check that needs time to pass. */
  const over = async (work: Promise<unknown>, ms: number) => {
    let result: unknown = "waits";
    void work.then((value) => {
      result = value;
    });
    await clock.advance(ms);
    return result;
  };
  const says = () => alerts.map(({ kind, why }) => `${kind}: ${why}`);
  return { clock, resolver, alerts, says, lists, check, domain, over };
}

const nothing = { found: [], score: 0 };

test("a client is on the lists that hold it, with their weights", async () => {
  const zones: Zones = {
    ...well(),
    ...well("wl.example.org"),
    ...listed(7, "127.0.0.4", "127.0.0.2"),
    [client(7, "wl.example.org")]: { A: ["127.0.5.3"] },
    ...listed(8, "127.0.0.12"),
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example.org": { A: ["127.0.0.3"] },
  };
  const { check, says, lists } = world(
    ["bl.example.org=127.0.0.2-11*3", "wl.example.org=127.0.x.1-3*-2", "bl.example.org=127.0.0.4*5"],
    zones,
  );
  assert.deepEqual(await check("192.0.2.7"), {
    found: [
      "bl.example.org 127.0.0.2,127.0.0.4 3",
      "wl.example.org 127.0.5.3 -2",
      "bl.example.org 127.0.0.4 5",
    ],
    score: 6,
  });
  assert.deepEqual(await check("::ffff:192.0.2.7"), await check("192.0.2.7"));
  assert.deepEqual(await check("192.0.2.8"), nothing, "a code that no entry counts");
  assert.deepEqual(await check("192.0.2.9"), nothing, "not listed");
  assert.deepEqual(await check("2001:db8::1"), { found: ["bl.example.org 127.0.0.3 3"], score: 3 });
  assert.deepEqual(await check("no address"), nothing);
  assert.deepEqual(await check(""), nothing);
  const { listings } = await lists.checkAddress("192.0.2.7");
  assert.deepEqual(
    listings.map(({ kind, entry }) => `${kind} ${entry}`),
    [
      "black bl.example.org=127.0.0.2-11*3",
      "white wl.example.org=127.0.x.1-3*-2",
      "black bl.example.org=127.0.0.4*5",
    ],
  );
  assert.deepEqual(says(), []);
});

test("the entries of a zone share its answer", async () => {
  const { check, resolver } = world(["bl.example.org=127.0.0.2*1", "bl.example.org=127.0.0.3*2"], well());
  await check("192.0.2.7");
  assert.deepEqual(resolver.asked, [
    "A 1.0.0.127.bl.example.org",
    "A 2.0.0.127.bl.example.org",
    "A 7.2.0.192.bl.example.org",
  ]);
});

test("the text is fetched for listings only, and made fit for a reply", async () => {
  const zones: Zones = {
    ...well(),
    [client(7)]: {
      A: ["127.0.0.2"],
      TXT: [["Listed, see https://", "example.org/7\r\n550 gotcha\u00e9"], "more"],
    },
    [client(8)]: { A: ["127.0.0.2"], TXT: ["x".repeat(1000)] },
    ...listed(9, "127.0.0.2"),
  };
  const { lists, resolver } = world(["bl.example.org"], zones);
  const text = async (address: string) => (await lists.checkAddress(address)).listings[0]?.text;
  assert.equal(await text("192.0.2.7"), "Listed, see https://example.org/7??550 gotcha?");
  assert.equal(await text("192.0.2.8"), "x".repeat(limits.dnsbl.text));
  assert.equal(await text("192.0.2.9"), undefined);
  assert.equal(await text("192.0.2.10"), undefined);
  assert.deepEqual(
    resolver.asked.filter((question) => question.startsWith("TXT")),
    [7, 8, 9].map((last) => `TXT ${client(last)}`),
  );
});

test("a listing does not wait long for its text", async () => {
  const { check, resolver, over } = world(["bl.example.org"], { ...well(), ...listed(7, "127.0.0.2") });
  resolver.txt = () => new Promise(() => {});
  const work = check("192.0.2.7");
  assert.deepEqual(await over(work, limits.dnsbl.textTime), {
    found: ["bl.example.org 127.0.0.2 1"],
    score: 1,
  });
});

test("domains are asked for as such, and addresses never", async () => {
  const zones: Zones = {
    "test.dbl.example.org": { A: ["127.0.1.2"] },
    "spam.example.dbl.example.org": { A: ["127.0.1.4"] },
    "xn--bcher-kva.example.dbl.example.org": { A: ["127.0.1.4"] },
    ...well(),
  };
  const { domain, resolver, says } = world(
    ["domain:dbl.example.org=127.0.1.2-99*2", "bl.example.org"],
    zones,
  );
  const hit = { found: ["dbl.example.org 127.0.1.4 2"], score: 2 };
  assert.deepEqual(await domain("Spam.Example."), hit);
  assert.deepEqual(await domain("bücher.example"), hit);
  assert.deepEqual(await domain("ham.example"), nothing);
  const before = resolver.asked.length;
  for (const name of ["192.0.2.7", "[192.0.2.7]", "", ".", "a b", "x".repeat(64), `${"x.".repeat(126)}x`])
    assert.deepEqual(await domain(name), nothing, name);
  assert.equal(resolver.asked.length, before);
  assert.deepEqual(says(), []);
  assert.ok(resolver.asked.every((question) => !question.includes(" bl.example.org")));
});

const errors: readonly [what: string, codes: readonly string[], why: string][] = [
  ["an open resolver", ["127.255.255.254"], "refuses our questions (127.255.255.254)"],
  ["too many questions", ["127.255.255.255"], "refuses our questions (127.255.255.255)"],
  ["a typing error in the zone", ["127.255.255.252"], "refuses our questions (127.255.255.252)"],
  ["another way to refuse", ["127.0.0.1"], "refuses our questions (127.0.0.1)"],
  ["a domain that was sold", ["203.0.113.9"], "answered 203.0.113.9, which is no return code"],
  ["an error among listings", ["127.0.0.2", "203.0.113.9"], "answered 203.0.113.9, which is no return code"],
];

for (const [what, codes, why] of errors) {
  test(`an answer that is an error switches the list off: ${what}`, async () => {
    const { check, alerts, says, clock, resolver, lists } = world(["bl.example.org=127.x.x.x*9"], {
      ...well(),
      ...listed(7, ...codes),
      ...listed(8, "127.0.0.2"),
    });
    assert.equal((await check("192.0.2.8")).score, 9);
    assert.deepEqual(await check("192.0.2.7"), { ...nothing, unanswered: [why] });
    const asked = resolver.asked.length;
    assert.deepEqual(await check("192.0.2.8"), { ...nothing, unanswered: [why] });
    assert.equal(resolver.asked.length, asked, "a list that is off is not asked");
    const until = clock.now() + limits.dnsbl.lyingFor;
    assert.deepEqual(alerts, [{ zone: LIST, kind: "off", why, until }]);
    assert.deepEqual(lists.states, [{ zone: LIST, of: "addresses", state: { kind: "off", why, until } }]);
    clock.jump(until);
    assert.equal((await check("192.0.2.8")).score, 9);
    assert.deepEqual(says(), [`off: ${why}`, "on: its canaries are right again"]);
  });
}

const canaries: readonly [what: string, zones: Zones, why: string][] = [
  [
    "it lists everything",
    { ...well(), "1.0.0.127.bl.example.org": { A: ["127.0.0.2"] } },
    'lists "127.0.0.1", which no list may: it lists everything',
  ],
  ["it is empty", {}, 'does not list "127.0.0.2", its test entry: it is empty or gone'],
  [
    "its domain was sold",
    {
      "1.0.0.127.bl.example.org": { A: ["203.0.113.9"] },
      "2.0.0.127.bl.example.org": { A: ["203.0.113.9"] },
    },
    "answered 203.0.113.9, which is no return code",
  ],
  [
    "it refuses us",
    {
      "1.0.0.127.bl.example.org": { A: ["127.255.255.254"] },
      "2.0.0.127.bl.example.org": { A: ["127.255.255.254"] },
    },
    "refuses our questions (127.255.255.254)",
  ],
];

for (const [what, zones, why] of canaries) {
  test(`a list is not used when its canaries are wrong: ${what}`, async () => {
    const { check, says, resolver } = world(["bl.example.org"], { ...zones, ...listed(7, "127.0.0.2") });
    assert.deepEqual(await check("192.0.2.7"), { ...nothing, unanswered: [why] });
    assert.deepEqual(says(), [`off: ${why}`]);
    assert.deepEqual(resolver.asked, ["A 1.0.0.127.bl.example.org", "A 2.0.0.127.bl.example.org"]);
  });
}

test("a domain list has canaries of its own", async () => {
  const zones: Zones = {
    "invalid.dbl.example.org": { A: ["127.0.1.2"] },
    "test.dbl.example.org": { A: ["127.0.1.2"] },
  };
  const { domain, says } = world(["domain:dbl.example.org"], zones);
  assert.equal((await domain("spam.example")).score, 0);
  assert.deepEqual(says(), ['off: lists "invalid", which no list may: it lists everything']);
});

test("a list may name its canary, or have none", async () => {
  const zones: Zones = {
    "9.2.0.192.own.example.org": { A: ["127.0.0.2"] },
    "1.2.0.192.bare.example.org": { A: ["127.0.0.2"] },
    "1.2.0.192.own.example.org": { A: ["127.0.0.2"] },
    "1.2.0.192.all.example.org": { A: ["127.0.0.2"] },
    "1.0.0.127.all.example.org": { A: ["127.0.0.2"] },
  };
  const { check, says } = world(
    ["own.example.org canary:192.0.2.9", "bare.example.org canary:none", "all.example.org canary:none"],
    zones,
  );
  const { found } = await check("192.0.2.1");
  assert.deepEqual(found, ["own.example.org 127.0.0.2 1", "bare.example.org 127.0.0.2 1"]);
  assert.deepEqual(says(), ['off: lists "127.0.0.1", which no list may: it lists everything']);
});

test("clients that come while the canaries are asked wait for one proof", async () => {
  const { check, resolver } = world(["bl.example.org"], { ...well(), ...listed(7, "127.0.0.2") });
  await Promise.all([check("192.0.2.7"), check("192.0.2.7"), check("192.0.2.7")]);
  assert.equal(resolver.asked.filter((question) => question === "A 2.0.0.127.bl.example.org").length, 1);
});

test("the canaries are asked every ten minutes, beside the work, and a list that has died is switched off", async () => {
  const { check, resolver, clock, says, lists } = world(["bl.example.org"], well());
  await lists.prove();
  const proofs = () => resolver.asked.filter((question) => question === "A 2.0.0.127.bl.example.org").length;
  clock.jump(clock.now() + limits.dnsbl.proveEvery - 1);
  await check("192.0.2.7");
  assert.equal(proofs(), 1);
  clock.jump(clock.now() + 1);
  resolver.zones = {};
  assert.deepEqual(await check("192.0.2.7"), nothing, "the client does not wait for them");
  await settle();
  assert.equal(proofs(), 2);
  assert.deepEqual(says(), ['off: does not list "127.0.0.2", its test entry: it is empty or gone']);
});

test("a listing is believed only when the canaries have sung in the last minute", async () => {
  const zones = { ...well(), ...listed(7, "127.0.0.2") };
  const { check, resolver, clock, says } = world(["bl.example.org"], zones);
  const proofs = () => resolver.asked.filter((question) => question === "A 1.0.0.127.bl.example.org").length;
  assert.equal((await check("192.0.2.7")).score, 1);
  clock.jump(clock.now() + limits.dnsbl.believe);
  assert.equal((await check("192.0.2.7")).score, 1);
  assert.equal(proofs(), 1);
  clock.jump(clock.now() + 1);
  assert.equal((await check("192.0.2.7")).score, 1);
  assert.equal(proofs(), 2);
  // from now on it lists the world
  resolver.zones = { ...zones, ...listed(8, "127.0.0.2"), "1.0.0.127.bl.example.org": { A: ["127.0.0.2"] } };
  clock.jump(clock.now() + limits.dnsbl.believe + 1);
  const why = 'lists "127.0.0.1", which no list may: it lists everything';
  assert.deepEqual(await check("192.0.2.8"), { ...nothing, unanswered: [why] });
  assert.deepEqual(says(), [`off: ${why}`]);
});

test("a listing is not believed while the canaries give no answer", async () => {
  const zones = { ...well(), ...listed(7, "127.0.0.2") };
  const { check, resolver, clock, says } = world(["bl.example.org"], zones);
  await check("192.0.2.7");
  resolver.zones = { ...zones, "1.0.0.127.bl.example.org": "servfail" };
  clock.jump(clock.now() + limits.dnsbl.believe + 1);
  assert.deepEqual(await check("192.0.2.7"), { ...nothing, unanswered: ["its canaries got no answer"] });
  resolver.zones = zones;
  assert.equal((await check("192.0.2.7")).score, 1);
  assert.deepEqual(says(), []);
});

test("a list whose canaries give no answer is tried again soon, and later and later", async () => {
  const { check, resolver, clock, says } = world(["bl.example.org"], {
    "1.0.0.127.bl.example.org": "servfail",
    "2.0.0.127.bl.example.org": "servfail",
  });
  const waits: number[] = [];
  const start = clock.now();
  for (let step = 0; step < 3600; step++) {
    const before = resolver.asked.length;
    await check("192.0.2.7");
    if (resolver.asked.length > before) waits.push((clock.now() - start) / 1000);
    clock.jump(clock.now() + 1000);
  }
  assert.deepEqual(waits, [0, 30, 90, 210, 450, 930, 1530, 2130, 2730, 3330]);
  assert.deepEqual(says(), ["off: gives no answers (servfail)"]);
  resolver.zones = { ...well(), ...listed(7, "127.0.0.2") };
  clock.jump(clock.now() + limits.dnsbl.silentMost);
  assert.equal((await check("192.0.2.7")).score, 1);
  assert.deepEqual(says().slice(1), ["on: its canaries are right again"]);
});

test("a list that is silent costs a client its time limit, and after some clients nothing", async () => {
  const { check, over, resolver, clock, says, lists } = world(["bl.example.org"], well());
  await lists.prove();
  resolver.zones = { ...well(), [client(7)]: "silent" };
  const late = `no answer within ${limits.dnsbl.time} ms`;
  for (let time = 0; time < limits.dnsbl.failures + 1; time++) {
    assert.equal(await over(check("192.0.2.7"), limits.dnsbl.time - 1), "waits", `time ${time}`);
    await clock.advance(1);
    if (says().length > 0) break;
  }
  assert.deepEqual(says(), [`off: gives no answers (${late})`]);
  const asked = resolver.asked.length;
  const off = { ...nothing, unanswered: [`gives no answers (${late})`] };
  assert.deepEqual(await check("192.0.2.7"), off);
  assert.equal(resolver.asked.length, asked);
  clock.jump(clock.now() + limits.dnsbl.silentFor);
  assert.deepEqual(await check("192.0.2.8"), nothing);
  assert.deepEqual(says().slice(1), ["on: its canaries are right again"]);
});

test("a list that now and then gives no answer stays on; one that often does not is switched off", async () => {
  const zones: Zones = { ...well(), [client(7)]: "servfail" };
  const rare = world(["bl.example.org"], zones);
  for (let round = 0; round < 300; round++) await rare.check(round % 4 === 0 ? "192.0.2.7" : "192.0.2.8");
  assert.deepEqual(rare.says(), []);
  const often = world(["bl.example.org"], zones);
  for (let round = 0; round < 30; round++) await often.check(round % 2 === 0 ? "192.0.2.7" : "192.0.2.8");
  assert.deepEqual(often.says(), ["off: gives no answers (servfail)"]);
});

test("a list that keeps giving wrong answers stays off longer and longer, at most a day, until it has been well", async () => {
  const { check, clock, alerts, lists } = world(["bl.example.org"], {
    ...well(),
    ...listed(7, "203.0.113.9"),
  });
  const hours: number[] = [];
  for (let time = 0; time < 7; time++) {
    await check("192.0.2.7");
    const until = alerts.at(-1)?.until ?? 0;
    hours.push((until - clock.now()) / 3_600_000);
    clock.jump(until);
  }
  assert.deepEqual(hours, [1, 2, 4, 8, 16, 24, 24]);
  await lists.prove();
  clock.jump(clock.now() + limits.dnsbl.proveEvery);
  await check("192.0.2.8");
  await settle();
  await check("192.0.2.7");
  assert.equal((alerts.at(-1)?.until ?? 0) - clock.now(), limits.dnsbl.lyingFor);
});

test("one bad list leaves the others alone", async () => {
  const zones: Zones = {
    ...well(),
    ...listed(7, "127.0.0.2"),
    ...well("bad.example.org"),
    [client(7, "bad.example.org")]: "silent",
  };
  const { check, over } = world(["bad.example.org", "bl.example.org"], zones);
  assert.deepEqual(await over(check("192.0.2.7"), limits.dnsbl.time), {
    found: ["bl.example.org 127.0.0.2 1"],
    score: 1,
    unanswered: [`no answer within ${limits.dnsbl.time} ms`],
  });
});

test("a key in a zone is in no alert, state, listing or reason", async () => {
  const zone = "abcdefghij0123456789abcdef.zen.example.net";
  const { lists, resolver, alerts } = world([zone], {
    ...well(zone),
    [client(7, zone)]: { A: ["127.0.0.2"] },
  });
  const seen: unknown[] = [await lists.checkAddress("192.0.2.7"), lists.states];
  resolver.a = (name) => Promise.resolve({ kind: "later", why: `queryA ESERVFAIL ${name}` });
  for (let time = 0; time < limits.dnsbl.failures + 1; time++)
    seen.push(await lists.checkAddress("192.0.2.8"));
  assert.equal(alerts.length, 1);
  assert.match(JSON.stringify(seen), /ESERVFAIL 8\.2\.0\.192\.KEY\.zen\.example\.net/);
  assert.doesNotMatch(JSON.stringify([seen, alerts]), /abcdefghij/);
});

test("without lists nothing is asked", async () => {
  const { check, domain, resolver } = world([], {});
  assert.deepEqual([await check("192.0.2.7"), await domain("spam.example")], [nothing, nothing]);
  assert.deepEqual(resolver.asked, []);
});

test("lists are looked up in a real DNS", async (context) => {
  const zone = await startZone({
    ...well(),
    [client(7)]: { A: ["127.0.0.4", "127.0.0.2"], TXT: ["See there"] },
    [client(8)]: { A: ["127.255.255.254"] },
  });
  context.after(() => zone.close());
  const clock = new FakeClock();
  const entries = parseListEntries(["bl.example.org=127.0.0.2-3*2"]);
  assert.ok(entries.ok);
  const alerts: string[] = [];
  const lists = new Blocklists({
    entries: entries.value,
    resolver: new NetworkResolver({ servers: [zone.server], clock, timeout: 500 }),
    clock,
    alert: ({ why }) => alerts.push(why),
  });
  const listing = {
    entry: "bl.example.org=127.0.0.2-3*2",
    zone: LIST,
    kind: "black",
    weight: 2,
    codes: ["127.0.0.2"],
    text: "See there",
  };
  assert.deepEqual((await lists.checkAddress("192.0.2.7")).listings, [listing]);
  assert.deepEqual(await lists.checkAddress("192.0.2.9"), { listings: [], score: 0, unanswered: [] });
  await lists.checkAddress("192.0.2.8");
  assert.deepEqual(alerts, ["refuses our questions (127.255.255.254)"]);
});
