import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { limits } from "#base/limits.ts";
import { NetworkResolver } from "#sys/resolver.ts";
import { FakeClock, settle } from "#test/support/clock.ts";
import { TableResolver } from "#test/support/table.ts";
import { startZone, type Zones } from "#test/support/zone.ts";
import { type ClientName, clientName } from "./iprev.ts";

const V6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
const many = Array.from({ length: 40 }, (_, at) => `n${String(at).padStart(2, "0")}.example.org`);

const zones: Zones = {
  "1.2.0.192.in-addr.arpa": { PTR: ["Mail.Example.ORG."] },
  "2.2.0.192.in-addr.arpa": { PTR: ["liar.example.org"] },
  "3.2.0.192.in-addr.arpa": { PTR: ["gone.example.org"] },
  "4.2.0.192.in-addr.arpa": { PTR: ["b.example.org", "a.example.org", "A.example.org."] },
  "5.2.0.192.in-addr.arpa": { PTR: ["a-fail.example.org", "b.example.org"] },
  "6.2.0.192.in-addr.arpa": { PTR: ["fail.example.org", "gone.example.org"] },
  "7.2.0.192.in-addr.arpa": "servfail",
  "8.2.0.192.in-addr.arpa": { PTR: ["192.0.2.8"] },
  "9.2.0.192.in-addr.arpa": { PTR: ["two words.example", "-x-.example..", "192.0.2.9."] },
  "10.2.0.192.in-addr.arpa": { PTR: many },
  "11.2.0.192.in-addr.arpa": {},
  "12.2.0.192.in-addr.arpa": { PTR: ["six.example.org"] },
  "13.2.0.192.in-addr.arpa": { PTR: ["liar.example.org", "gone.example.org"] },
  [V6]: { PTR: ["six.example.org"] },
  "mail.example.org": { A: ["192.0.2.99", "192.0.2.1"], AAAA: ["2001:db8::99"] },
  "liar.example.org": { A: ["192.0.2.99"] },
  "a.example.org": { A: ["192.0.2.4"] },
  "b.example.org": { A: ["192.0.2.4", "192.0.2.5"] },
  "a-fail.example.org": "servfail",
  "fail.example.org": "servfail",
  "six.example.org": { AAAA: ["2001:0db8:0::0001"] },
  "n09.example.org": { A: ["192.0.2.10"] },
  "n10.example.org": { A: ["192.0.2.10"] },
};

const verified = (name: string, names: readonly string[] = [name], all: readonly string[] = [name]) => ({
  kind: "verified",
  name,
  names,
  verified: all,
});
const unverified = (names: readonly string[], why: string) => ({ kind: "unverified", names, why });

const rows: readonly [what: string, address: string, answer: unknown][] = [
  ["one name, in capitals, with a dot", "192.0.2.1", verified("mail.example.org")],
  ["IPv6", "2001:db8::1", verified("six.example.org")],
  ["IPv6 written at length", "2001:0DB8:0:0:0:0:0:1", verified("six.example.org")],
  ["IPv4 in IPv6 clothes", "::ffff:192.0.2.1", verified("mail.example.org")],
  ["the same in hexadecimal", "::ffff:c000:201", verified("mail.example.org")],
  [
    "a name of somebody else",
    "192.0.2.2",
    unverified(["liar.example.org"], '"liar.example.org" resolves to other addresses'),
  ],
  [
    "a name that is not there",
    "192.0.2.3",
    unverified(["gone.example.org"], '"gone.example.org" does not resolve'),
  ],
  [
    "IPv4, its name has IPv6 only",
    "192.0.2.12",
    unverified(["six.example.org"], '"six.example.org" does not resolve'),
  ],
  [
    "several wrong names",
    "192.0.2.13",
    unverified(["gone.example.org", "liar.example.org"], "none of its 2 names resolves back"),
  ],
  [
    "several names, one of them twice",
    "192.0.2.4",
    verified("a.example.org", ["a.example.org", "b.example.org"], ["a.example.org", "b.example.org"]),
  ],
  [
    "a failure does not hide a verified name",
    "192.0.2.5",
    verified("b.example.org", ["a-fail.example.org", "b.example.org"]),
  ],
  ["a failure and a name that is not there", "192.0.2.6", { kind: "later", why: "servfail" }],
  ["no answer about names", "192.0.2.7", { kind: "later", why: "servfail" }],
  ["no such name", "192.0.2.77", { kind: "none" }],
  ["no PTR record", "192.0.2.11", { kind: "none" }],
  ["no address", "example.org", { kind: "none" }],
  ["an empty text", "", { kind: "none" }],
  [
    "its own address as a name does not verify itself",
    "192.0.2.8",
    unverified([], "its PTR records hold no name of a host"),
  ],
  ["names that no host can have", "192.0.2.9", unverified(["-x-.example"], '"-x-.example" does not resolve')],
  [
    "so many names are tried and no more",
    "192.0.2.10",
    verified("n09.example.org", many.slice(0, limits.iprev.names)),
  ],
];

for (const [what, address, answer] of rows) {
  test(`clientName(): ${what}`, async () => {
    assert.deepEqual(await clientName(address, new TableResolver(zones), new FakeClock()), answer);
  });
}

test("clientName() asks a bounded number of questions, of the client's family", async () => {
  const resolver = new TableResolver(zones);
  await clientName("192.0.2.10", resolver, new FakeClock());
  assert.equal(resolver.asked.length, 1 + limits.iprev.names);
  assert.ok(resolver.asked.slice(1).every((question) => question.startsWith("A ")));
});

/** The answer once `ms` have passed; undefined while there is none. */
async function after(clock: FakeClock, work: Promise<ClientName>, ms: number) {
  let answer: ClientName | undefined;
  void work.then((value) => {
    answer = value;
  });
  await clock.advance(ms);
  return answer;
}

test("clientName() says later when nothing answers in time", async () => {
  const clock = new FakeClock();
  const silent = new TableResolver({ "1.2.0.192.in-addr.arpa": "silent" });
  const work = clientName("192.0.2.1", silent, clock);
  assert.equal(await after(clock, work, limits.iprev.time - 1), undefined);
  assert.deepEqual(await after(clock, work, 1), { kind: "later", why: "no answer within 10000 ms" });
  assert.deepEqual(clock.pending, []);
});

test("clientName() waits a moment for slow names when it has one", async () => {
  const clock = new FakeClock();
  const resolver = new TableResolver({
    ...zones,
    "a.example.org": "silent",
    "b.example.org": { A: ["192.0.2.4"] },
  });
  const work = clientName("192.0.2.4", resolver, clock);
  await settle();
  assert.equal(await after(clock, work, limits.iprev.others - 1), undefined);
  const answer = verified("b.example.org", ["a.example.org", "b.example.org"]);
  assert.deepEqual(await after(clock, work, 1), answer);
});

test("clientName() says later when the only name that would do is slow", async () => {
  const clock = new FakeClock();
  const resolver = new TableResolver({ ...zones, "mail.example.org": "silent" });
  const work = clientName("192.0.2.1", resolver, clock);
  assert.equal((await after(clock, work, limits.iprev.time))?.kind, "later");
});

test("clientName() takes a resolver that breaks for one that has no answer", async () => {
  const resolver = new TableResolver(zones);
  resolver.a = () => Promise.reject(new Error("broken"));
  const answer = await clientName("192.0.2.1", resolver, new FakeClock());
  assert.deepEqual(answer, { kind: "later", why: "broken" });
});

async function serve(context: TestContext) {
  const zone = await startZone(zones);
  context.after(() => zone.close());
  return new NetworkResolver({ servers: [zone.server], clock: new FakeClock(), timeout: 500 });
}

test("clientName() finds the same names in a real DNS", async (context) => {
  const resolver = await serve(context);
  for (const [what, address, answer] of rows) {
    const found = await clientName(address, resolver);
    if (found.kind === "later") assert.equal((answer as ClientName).kind, "later", what);
    else assert.deepEqual(found, answer, what);
  }
});
