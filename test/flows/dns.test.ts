// What is true about a client and a sender, from a real DNS: NSD, and Unbound in front of it, both on loopback.

import assert from "node:assert/strict";
import test from "node:test";
import { systemClock } from "#base/clock.ts";
import { Blocklists } from "#origin/dnsbl.ts";
import { parseListEntries } from "#origin/dnsblentry.ts";
import { clientName } from "#origin/iprev.ts";
import { checkMailFrom } from "#origin/spf.ts";
import { NetworkResolver } from "#sys/resolver.ts";
import { startDns } from "../support/dnsservers.ts";
import { need } from "../support/tools.ts";

/** A record that no UDP packet holds, in strings as small as terms. */
const many = Array.from({ length: 100 }, (_, at) => `"ip4:198.18.${at}.0/24 "`).join(" ");

const zones: Readonly<Record<string, string>> = {
  "dnsbl.test": `
2.0.0.127 A 127.0.0.2
7.2.0.192 A 127.0.0.4
7.2.0.192 TXT "listed, see " "https://dnsbl.test/"
9.2.0.192 A 127.255.255.254
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2 A 127.0.0.3`,
  "world.test": "* A 127.0.0.2",
  "dead.test": "",
  "sold.test": "* A 203.0.113.9",
  "domains.test": `
test A 127.0.1.2
spam.example A 127.0.1.2`,
  "2.0.192.in-addr.arpa": `
1 PTR good.ptr.test.
2 PTR liar.ptr.test.
3 PTR fail.servfail.test.
3 PTR b.ptr.test.
4 PTR fail.servfail.test.`,
  "8.b.d.0.1.0.0.2.ip6.arpa": "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR good.ptr.test.",
  "ptr.test": `
good A 192.0.2.1
good AAAA 2001:db8::1
liar A 192.0.2.99
b A 192.0.2.3`,
  "spf.test": `
@ TXT "v=spf1 ip4:198.51.100.0/24 " "mx a:good.ptr.test include:%{d1r}.more.spf.test exists:%{l}._l.spf.test -all exp=why.spf.test"
@ MX 10 mx
mx CNAME real
real A 203.0.113.1
spf.more TXT "v=spf1 ip6:2001:db8:1::/48 -all"
why TXT "%{i} does not send for %{d}"
bounce+ann=example.net._l A 127.0.0.2
loop TXT "v=spf1 include:loop.spf.test"
temp TXT "v=spf1 a:fail.servfail.test -all"
void TXT "v=spf1 a:x1.spf.test a:x2.spf.test a:x3.spf.test -all"
two TXT "v=spf1 -all"
two TXT "v=spf1 +all"
far TXT "v=spf1 include:spf.test -all"
long TXT "v=spf1 " ${many} "ip4:203.0.113.77 -all"`,
  test: "",
};

const resolverAt = (server: string) =>
  new NetworkResolver({ servers: [server], clock: systemClock, timeout: 2000, attempts: 2 });

const senders: readonly [sender: string, address: string, result: string, mechanism: string | undefined][] = [
  ["ann@spf.test", "198.51.100.7", "pass", "ip4:198.51.100.0/24"],
  ["ann@spf.test", "203.0.113.1", "pass", "mx"],
  ["ann@spf.test", "192.0.2.1", "pass", "a:good.ptr.test"],
  ["ann@spf.test", "2001:db8::1", "pass", "a:good.ptr.test"],
  ["ann@spf.test", "2001:db8:1::9", "pass", "include:%{d1r}.more.spf.test"],
  ["bounce+ann=example.net@spf.test", "203.0.113.99", "pass", "exists:%{l}._l.spf.test"],
  ["ann@spf.test", "203.0.113.99", "fail", "-all"],
  ["ann@far.spf.test", "203.0.113.1", "pass", "include:spf.test"],
  ["ann@long.spf.test", "203.0.113.77", "pass", "ip4:203.0.113.77"],
  ["ann@loop.spf.test", "203.0.113.99", "permerror", undefined],
  ["ann@void.spf.test", "203.0.113.99", "permerror", undefined],
  ["ann@two.spf.test", "203.0.113.99", "permerror", undefined],
  ["ann@temp.spf.test", "203.0.113.99", "temperror", undefined],
  ["ann@fail.servfail.test", "203.0.113.99", "temperror", undefined],
  ["ann@none.spf.test", "203.0.113.99", "none", undefined],
  ["ann@ptr.test", "203.0.113.99", "none", undefined],
];

async function checkSenders(server: string): Promise<void> {
  const world = { resolver: resolverAt(server), clock: systemClock };
  for (const [sender, address, result, mechanism] of senders) {
    const answer = await checkMailFrom({ sender, address, hello: "x.example", receiver: "mx.test" }, world);
    assert.deepEqual(
      [answer.result, answer.mechanism],
      [result, mechanism],
      `${sender} ${address} ${answer.why}`,
    );
    if (result === "fail") assert.equal(answer.explanation, "203.0.113.99 does not send for spf.test");
  }
}

async function checkNames(server: string): Promise<void> {
  const resolver = resolverAt(server);
  const shown = async (address: string) => {
    const found = await clientName(address, resolver);
    return found.kind === "verified" ? `${found.kind} ${found.name}` : found.kind;
  };
  assert.equal(await shown("192.0.2.1"), "verified good.ptr.test");
  assert.equal(await shown("::ffff:192.0.2.1"), "verified good.ptr.test");
  assert.equal(await shown("2001:db8::1"), "verified good.ptr.test");
  assert.equal(await shown("192.0.2.2"), "unverified");
  assert.equal(await shown("192.0.2.3"), "verified b.ptr.test");
  assert.equal(await shown("192.0.2.4"), "later");
  assert.equal(await shown("192.0.2.5"), "none");
}

async function checkLists(server: string): Promise<void> {
  const texts = [
    "dnsbl.test=127.0.0.2-11*3",
    "world.test",
    "dead.test",
    "sold.test",
    "domain:domains.test*2",
  ];
  const entries = parseListEntries(texts);
  assert.ok(entries.ok);
  const alerts: string[] = [];
  const options = { entries: entries.value, resolver: resolverAt(server), clock: systemClock };
  const lists = new Blocklists({
    ...options,
    alert: ({ zone, kind, why }) => alerts.push(`${zone} ${kind}: ${why}`),
  });
  await lists.prove();
  assert.deepEqual(alerts.toSorted(), [
    'dead.test off: does not list "127.0.0.2", its test entry: it is empty or gone',
    "sold.test off: answered 203.0.113.9, which is no return code",
    'world.test off: lists "127.0.0.1", which no list may: it lists everything',
  ]);
  const listed = await lists.checkAddress("192.0.2.7");
  assert.deepEqual(
    listed.listings.map(({ zone, codes, weight, text }) => [zone, codes, weight, text]),
    [["dnsbl.test", ["127.0.0.4"], 3, "listed, see https://dnsbl.test/"]],
  );
  assert.equal((await lists.checkAddress("2001:db8::1")).score, 3);
  assert.equal((await lists.checkAddress("192.0.2.8")).score, 0);
  assert.equal((await lists.checkDomain("SPAM.example")).score, 2);
  assert.equal((await lists.checkDomain("ham.example")).score, 0);
  const { score, unanswered } = await lists.checkAddress("192.0.2.9");
  assert.deepEqual([score, unanswered.length], [0, 4]);
  assert.deepEqual(alerts.slice(3), ["dnsbl.test off: refuses our questions (127.255.255.254)"]);
}

test("names of clients, lists and SPF come out of NSD and Unbound alike", async (context) => {
  if (!need(context, "nsd", "unbound")) return;
  for (const server of Object.values(await startDns(context, zones))) {
    await checkNames(server);
    await checkLists(server);
    await checkSenders(server);
  }
});
