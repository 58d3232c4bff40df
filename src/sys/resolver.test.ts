import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import test, { type TestContext } from "node:test";
import { decode, encode } from "dns-packet";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { FakeClock } from "#test/support/clock.ts";
import { freePort } from "#test/support/loopback.ts";
import { startZone, type Zones } from "#test/support/zone.ts";
import { NetworkResolver, type Resolver } from "./resolver.ts";

async function resolverFor(context: TestContext, data: Zones) {
  const zone = await startZone(data);
  context.after(() => zone.close());
  const clock = new FakeClock();
  const resolver = new NetworkResolver({ servers: [zone.server], clock, timeout: 150, attempts: 2 });
  return { zone, clock, resolver };
}

const zones: Zones = {
  "example.org": {
    MX: ["10 mx.example.org", "5 mx2.example.org"],
    A: ["192.0.2.1"],
    TXT: ["v=spf1 -all", ["a", "b"]],
  },
  "mx.example.org": { A: ["192.0.2.1", "192.0.2.2"], AAAA: ["2001:db8::1"] },
  "v6.example.org": { AAAA: ["2001:db8::2"] },
  "null.example.org": { MX: ["0 ."] },
  "alias.example.org": { CNAME: "mx.example.org" },
  "loop.example.org": { CNAME: "loop.example.org" },
  "dangling.example.org": { CNAME: "gone.example.org" },
  "fail.example.org": "servfail",
  "refused.example.org": "refused",
  "silent.example.org": "silent",
  "garbage.example.org": "garbage",
  "empty.example.org": {},
  "1.2.0.192.in-addr.arpa": { PTR: ["mx.example.org"] },
  "3.2.0.192.in-addr.arpa": "servfail",
  "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": { PTR: ["six.example.org"] },
  "xn--exmple-cua.org": { A: ["192.0.2.9"] },
  "_dmarc.example.org": { TXT: ["v=DMARC1"] },
};

const found = (...records: unknown[]) => ({ kind: "found", records });
const rows: [what: string, ask: (resolver: Resolver) => Promise<unknown>, answer: unknown][] = [
  [
    "MX",
    (r) => r.mx("example.org"),
    found({ preference: 10, exchange: "mx.example.org" }, { preference: 5, exchange: "mx2.example.org" }),
  ],
  [
    "a name with a last dot, in capitals",
    (r) => r.mx("EXAMPLE.org."),
    found({ preference: 10, exchange: "mx.example.org" }, { preference: 5, exchange: "mx2.example.org" }),
  ],
  ["the null MX", (r) => r.mx("null.example.org"), found({ preference: 0, exchange: "" })],
  ["no such record", (r) => r.mx("empty.example.org"), { kind: "none" }],
  ["no such name", (r) => r.mx("nothing.example.org"), { kind: "none" }],
  ["both families", (r) => r.addresses("mx.example.org"), found("2001:db8::1", "192.0.2.1", "192.0.2.2")],
  ["one family", (r) => r.addresses("v6.example.org"), found("2001:db8::2")],
  ["neither", (r) => r.addresses("empty.example.org"), { kind: "none" }],
  ["IPv4 only", (r) => r.a("mx.example.org"), found("192.0.2.1", "192.0.2.2")],
  ["IPv6 only", (r) => r.aaaa("mx.example.org"), found("2001:db8::1")],
  ["no IPv4", (r) => r.a("v6.example.org"), { kind: "none" }],
  ["no IPv6", (r) => r.aaaa("example.org"), { kind: "none" }],
  ["an address as a name", (r) => r.a("192.0.2.77"), { kind: "none" }],
  ["an IPv6 address as a name", (r) => r.aaaa("2001:db8::1"), { kind: "none" }],
  ["an alias", (r) => r.addresses("alias.example.org"), found("2001:db8::1", "192.0.2.1", "192.0.2.2")],
  ["an alias of nothing", (r) => r.addresses("dangling.example.org"), { kind: "none" }],
  ["an address", (r) => r.addresses("192.0.2.77"), found("192.0.2.77")],
  ["an international name", (r) => r.addresses("exämple.org"), found("192.0.2.9")],
  ["PTR", (r) => r.ptr("192.0.2.1"), found("mx.example.org")],
  ["PTR of IPv6", (r) => r.ptr("2001:DB8:0::1"), found("six.example.org")],
  ["PTR of IPv4 in IPv6 clothes", (r) => r.ptr("::ffff:192.0.2.1"), found("mx.example.org")],
  ["no PTR", (r) => r.ptr("192.0.2.2"), { kind: "none" }],
  ["PTR of no address", (r) => r.ptr("example.org"), { kind: "none" }],
  ["TXT", (r) => r.txt("example.org"), found("v=spf1 -all", "ab")],
  ["a name with an underscore", (r) => r.txt("_dmarc.example.org"), found("v=DMARC1")],
  ["an empty name", (r) => r.mx(""), { kind: "none" }],
  ["a name that cannot be", (r) => r.mx("a..b"), { kind: "none" }],
  ["a label that is too long", (r) => r.mx(`${"a".repeat(64)}.org`), { kind: "none" }],
  ["a name with a space", (r) => r.mx("a b.org"), { kind: "none" }],
];

test("a question is answered with what the zone has, or that it has none", async (context) => {
  const { resolver } = await resolverFor(context, zones);
  for (const [what, ask, answer] of rows) assert.deepEqual(await ask(resolver), answer, what);
});

test("whatever goes wrong is later, and is asked anew", async (context) => {
  const { resolver, zone } = await resolverFor(context, zones);
  for (const name of ["fail", "refused", "silent", "loop", "garbage"]) {
    assert.equal((await resolver.mx(`${name}.example.org`)).kind, "later", name);
  }
  assert.equal((await resolver.addresses("fail.example.org")).kind, "later");
  assert.equal((await resolver.ptr("192.0.2.3")).kind, "later");
  zone.replace({ "fail.example.org": { MX: ["1 a.example"] } });
  assert.equal((await resolver.mx("fail.example.org")).kind, "found");
});

test("without a server every answer is later", async (context) => {
  const { resolver, zone } = await resolverFor(context, zones);
  await zone.close();
  zone.close = async () => {};
  assert.equal((await resolver.mx("example.org")).kind, "later");
});

test("answers that do not fit are fetched by TCP, and no more of them than the limit are kept", async (context) => {
  const many = Array.from({ length: limits.dns.records + 100 }, (_, n) => `10.1.${n >> 8}.${n & 255}`);
  const { resolver, zone } = await resolverFor(context, { "many.example.org": { A: many } });
  const answer = await resolver.addresses("many.example.org");
  assert.equal(answer.kind === "found" && answer.records.length, limits.dns.records);
  assert.ok(zone.asked.includes("tcp A many.example.org"));
});

test("an answer is kept as long as it lives, at most a minute, and none shorter", async (context) => {
  const { resolver, zone, clock } = await resolverFor(context, {
    "short.example.org": { A: ["192.0.2.1"], ttl: 2 },
    "long.example.org": { MX: ["1 a.example"], ttl: 86_400 },
  });
  const count = async (name: string, ask: () => Promise<unknown>) => {
    const before = zone.asked.filter((line) => line.endsWith(name)).length;
    await Promise.all([ask(), ask()]);
    return zone.asked.filter((line) => line.endsWith(name)).length - before;
  };
  const long = () => count("long.example.org", () => resolver.mx("long.example.org"));
  const short = () => count("A short.example.org", () => resolver.addresses("short.example.org"));
  const none = () => count("none.example.org", () => resolver.mx("none.example.org"));
  assert.deepEqual([await long(), await short(), await none()], [1, 2, 1]);
  assert.deepEqual([await long(), await none()], [0, 0]);
  clock.jump(clock.now() + 2001);
  // its IPv6 answer, none, is still known
  assert.equal(await short(), 1);
  clock.jump(clock.now() + limits.dns.cacheNoneFor + 1);
  assert.deepEqual([await long(), await none()], [0, 1]);
  clock.jump(clock.now() + limits.dns.cacheFor + 1);
  assert.equal(await long(), 1);
});

const odd: Zones = {
  "bounce+ann=example.net.example.org": {
    A: ["127.0.0.2", "127.0.0.3"],
    AAAA: ["2001:db8::1"],
    TXT: ["v=spf1 -all", ["a", "\u00e9"]],
    MX: ["10 mx.example.org", "0 ."],
  },
  "alias!.example.org": { CNAME: "Bounce+ann=example.net.example.org" },
  "loop!.example.org": { CNAME: "loop!.example.org" },
  "empty!.example.org": {},
  "fail!.example.org": "servfail",
  "refused!.example.org": "refused",
  "silent!.example.org": "silent",
  "garbage!.example.org": "garbage",
  "many!.example.org": { A: Array.from({ length: 700 }, (_, n) => `10.1.${n >> 8}.${n & 255}`) },
};

test("names that no host has are asked for all the same", async (context) => {
  const { resolver, zone, clock } = await resolverFor(context, odd);
  const name = "bounce+ann=example.net.example.org";
  assert.deepEqual(await resolver.a(name), found("127.0.0.2", "127.0.0.3"));
  assert.deepEqual(await resolver.a("BOUNCE+ann=Example.net.example.org."), found("127.0.0.2", "127.0.0.3"));
  assert.deepEqual(await resolver.aaaa(name), found("2001:db8::1"));
  assert.deepEqual(await resolver.txt(name), found("v=spf1 -all", "a\u00c3\u00a9"));
  assert.deepEqual(
    await resolver.mx(name),
    found({ preference: 10, exchange: "mx.example.org" }, { preference: 0, exchange: "" }),
  );
  assert.deepEqual(await resolver.a("alias!.example.org"), found("127.0.0.2", "127.0.0.3"));
  assert.deepEqual(await resolver.a("empty!.example.org"), { kind: "none" });
  assert.deepEqual(await resolver.a("gone!.example.org"), { kind: "none" });
  const many = await resolver.a("many!.example.org");
  assert.equal(many.kind === "found" && many.records.length, limits.dns.records);
  assert.ok(zone.asked.includes("tcp A many!.example.org"));
  // and kept like any other
  const asked = zone.asked.length;
  await resolver.a(name);
  assert.equal(zone.asked.length, asked);
  clock.jump(clock.now() + limits.dns.cacheFor + 1);
  await resolver.a(name);
  assert.equal(zone.asked.length, asked + 1);
});

test("what goes wrong with such a name is later too", async (context) => {
  const { zone } = await resolverFor(context, odd);
  const [clock, timeout, attempts] = [systemClock, 100, 2];
  const resolver = new NetworkResolver({ servers: [zone.server], clock, timeout, attempts });
  for (const name of ["fail", "refused", "silent", "garbage", "loop"])
    assert.equal((await resolver.a(`${name}!.example.org`)).kind, "later", name);
  assert.equal(zone.asked.filter((question) => question === "A silent!.example.org").length, attempts);
  const closed = `127.0.0.1:${await freePort()}`;
  const both = new NetworkResolver({ servers: [closed, zone.server], clock, timeout, attempts: 1 });
  assert.equal((await both.a("alias!.example.org")).kind, "found");
  const none = new NetworkResolver({ servers: [closed], clock, timeout, attempts: 1 });
  assert.equal((await none.a("alias!.example.org")).kind, "later");
});

test("an answer to another question is nobody's", async (context) => {
  const socket = createSocket("udp4");
  context.after(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  socket.on("message", (bytes, from) => {
    const query = decode(bytes);
    const { id, questions } = query;
    const name = questions[0]?.name ?? "";
    const send = (over: object, owner: string, data: string) => {
      const answers = [{ type: "A", name: owner, ttl: 9, data }];
      const packet = {
        type: "response",
        id,
        flags: 0x8180,
        questions: [{ type: "A", name: owner }],
        answers,
      };
      socket.send(encode({ ...packet, ...over }), from.port, from.address);
    };
    socket.send(Buffer.from("garbage"), from.port, from.address);
    send({ id: id ^ 1 }, name, "192.0.2.1");
    send({ type: "query" }, name, "192.0.2.2");
    send({}, "other.example.org", "192.0.2.3");
    send({}, name, "192.0.2.4");
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const servers = [`127.0.0.1:${socket.address().port}`];
  const resolver = new NetworkResolver({ servers, clock: systemClock, timeout: 2000, attempts: 1 });
  assert.deepEqual(await resolver.a("x!.example.org"), found("192.0.2.4"));
});

test("with no servers named, the system's are used", () => {
  // only that it can be made; what the system's say is not for a test
  assert.ok(new NetworkResolver({ servers: [], clock: systemClock }));
});
