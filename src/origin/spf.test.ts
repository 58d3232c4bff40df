import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { limits } from "#base/limits.ts";
import { NetworkResolver } from "#sys/resolver.ts";
import { FakeClock } from "#test/support/clock.ts";
import { TableResolver } from "#test/support/table.ts";
import { startZone, type Zones } from "#test/support/zone.ts";
import { checkHello, checkMailFrom, type SpfAnswer, type SpfQuestion } from "./spf.ts";

const spf = (text: string): Zones[string] => ({ TXT: [text] });

interface Ask extends Partial<SpfQuestion> {
  readonly clock?: FakeClock;
}

function world(zones: Zones) {
  const resolver = new TableResolver(zones);
  const check = (over: Ask = {}): Promise<SpfAnswer> => {
    const { clock = new FakeClock(), ...question } = over;
    const whole = {
      address: "192.0.2.1",
      hello: "mail.example.org",
      sender: "ann@example.org",
      receiver: "mx.example.net",
      ...question,
    };
    return checkMailFrom(whole, { resolver, clock });
  };
  return { resolver, check };
}

/** The result of one record for 192.0.2.1, with the directive that matched. */
async function judge(record: string, zones: Zones = {}, over: Ask = {}): Promise<string> {
  const { result, mechanism, why } = await world({ "example.org": spf(`v=spf1 ${record}`), ...zones }).check(
    over,
  );
  return [result, mechanism, why && `(${why})`].filter(Boolean).join(" ");
}

const hosts: Zones = {
  "us.example.org": { A: ["192.0.2.1"], AAAA: ["2001:db8::1"] },
  "other.example.org": { A: ["192.0.2.200"], AAAA: ["2001:db8::200"] },
  "four.example.org": { A: ["192.0.2.200"] },
  "fail.example.org": "servfail",
  "mx.example.org": { MX: ["10 other.example.org", "20 us.example.org"] },
  "mxfail.example.org": { MX: ["10 fail.example.org", "20 us.example.org"] },
  "mxnull.example.org": { MX: ["0 ."] },
  "mxbroken.example.org": { MX: ["10 fail.example.org", "20 other.example.org"] },
  "mxmany.example.org": { MX: Array.from({ length: 11 }, (_, at) => `${at} us.example.org`) },
  "mxten.example.org": { MX: Array.from({ length: 10 }, (_, at) => `${at} us.example.org`) },
  "pass.example.org": spf("v=spf1 ip4:192.0.2.0/24 -all"),
  "nopass.example.org": spf("v=spf1 ip4:203.0.113.0/24 -all"),
  "wrong.example.org": spf("v=spf1 foo"),
  "loop.example.org": spf("v=spf1 include:loop.example.org"),
  "1.2.0.192.in-addr.arpa": { PTR: ["liar.example.org", "us.example.org", "fail.example.org"] },
};

const rows: readonly [record: string, result: string][] = [
  ["-all", "fail -all"],
  ["~all", "softfail ~all"],
  ["?all", "neutral ?all"],
  ["+all", "pass +all"],
  ["all", "pass all"],
  ["", "neutral"],
  ["ip4:192.0.2.1 -all", "pass ip4:192.0.2.1"],
  ["ip4:192.0.2.0/31 -all", "pass ip4:192.0.2.0/31"],
  ["ip4:192.0.2.2/31 -all", "fail -all"],
  ["ip4:192.0.3.0/23 ip4:192.0.3.0/24 -all", "pass ip4:192.0.3.0/23"],
  ["ip4:0.0.0.0/0", "pass ip4:0.0.0.0/0"],
  ["ip6:::/0 ip6:::ffff:192.0.2.1 -all", "fail -all"],
  ["a:us.example.org -all", "pass a:us.example.org"],
  ["a:other.example.org a:other.example.org/24", "pass a:other.example.org/24"],
  ["a:gone.example.org -all", "fail -all"],
  ["a:fail.example.org -all", "temperror (servfail)"],
  ["mx:mx.example.org -all", "pass mx:mx.example.org"],
  ["mx:mxfail.example.org -all", "pass mx:mxfail.example.org"],
  ["mx:mxbroken.example.org -all", "temperror (servfail)"],
  ["mx:mxnull.example.org -all", "fail -all"],
  ["mx:mxten.example.org -all", "pass mx:mxten.example.org"],
  ["mx:mxmany.example.org -all", 'permerror (more than 10 MX records at "mxmany.example.org")'],
  ["ptr -all", "pass ptr"],
  ["ptr:us.example.org -all", "pass ptr:us.example.org"],
  ["ptr:liar.example.org -all", "fail -all"],
  ["ptr:s.example.org -all", "fail -all"],
  ["exists:us.example.org -all", "pass exists:us.example.org"],
  ["exists:gone.example.org -all", "fail -all"],
  ["include:pass.example.org -all", "pass include:pass.example.org"],
  ["-include:pass.example.org all", "fail -include:pass.example.org"],
  ["include:nopass.example.org ?all", "neutral ?all"],
  ["include:fail.example.org -all", "temperror (servfail)"],
  ["include:gone.example.org", 'permerror (no SPF record at "gone.example.org", which "example.org" names)'],
  ["include:wrong.example.org", 'permerror (SPF record at "wrong.example.org": unknown mechanism in "foo")'],
  ["include:loop.example.org", "permerror (more than 10 terms that look names up)"],
  ["redirect=nopass.example.org", "fail -all"],
  ["redirect=nopass.example.org ?all", "neutral ?all"],
  ["redirect=gone.example.org", 'permerror (no SPF record at "gone.example.org", which "example.org" names)'],
  ["redirect=%{d}", "permerror (more than 10 terms that look names up)"],
  [
    "include:%{l}..example.org",
    'permerror (no SPF record at "an impossible name", which "example.org" names)',
  ],
  ["foo -all", 'permerror (SPF record at "example.org": unknown mechanism in "foo")'],
  ["-all foo", 'permerror (SPF record at "example.org": unknown mechanism in "foo")'],
];

for (const [record, result] of rows) {
  test(`checkMailFrom(): ${record || "nothing"}`, async () =>
    assert.equal(await judge(record, hosts), result));
}

const clients: readonly [address: string, record: string, result: string][] = [
  ["2001:db8::1", "ip4:0.0.0.0/0 ip6:2001:db8::/32 -all", "pass ip6:2001:db8::/32"],
  ["2001:db8::1", "ip6:2001:db8::2/127 ip6:2001:db8::/127 -all", "pass ip6:2001:db8::/127"],
  ["2001:db8::1", "a:us.example.org//128 -all", "pass a:us.example.org//128"],
  ["2001:db8::1", "a:other.example.org/0 a:other.example.org//32", "pass a:other.example.org//32"],
  ["2001:db8::1", "ip6:::ffff:192.0.2.1/0", "pass ip6:::ffff:192.0.2.1/0"],
  ["2001:db8::1", "exists:us.example.org", "pass exists:us.example.org"],
  ["::ffff:192.0.2.1", "ip4:192.0.2.1 -all", "pass ip4:192.0.2.1"],
  ["::FFFF:c000:0201", "a:us.example.org -all", "pass a:us.example.org"],
  ["no address", "+all", 'none ("no address" is no address)'],
];

for (const [address, record, result] of clients) {
  test(`checkMailFrom(): ${address}, ${record}`, async () =>
    assert.equal(await judge(record, hosts, { address }), result));
}

const identities: readonly [what: string, over: Ask, result: string][] = [
  ["no record", { sender: "ann@gone.example.org" }, "none (no SPF record)"],
  ["a text that is no record", { sender: "ann@text.example.org" }, "none (no SPF record)"],
  ["two records", { sender: "ann@two.example.org" }, 'permerror (2 SPF records at "two.example.org")'],
  ["no answer", { sender: "ann@fail.example.org" }, "temperror (servfail)"],
  ["the null path: HELO", { sender: "", hello: "hello.example.org" }, "softfail ~all"],
  ["HELO in capitals with a dot", { sender: "", hello: "HELLO.Example.ORG." }, "softfail ~all"],
  ["no local part", { sender: "@hello.example.org" }, "softfail ~all"],
  ["no @", { sender: "hello.example.org" }, "softfail ~all"],
  ["an @ in quotes", { sender: '"a@b"@hello.example.org' }, "softfail ~all"],
  ["an international domain", { sender: "ann@b\u00fccher.example" }, "fail -all"],
  ["the same in A-labels", { sender: "ann@xn--bcher-kva.example" }, "fail -all"],
  ["an address literal", { sender: "ann@[192.0.2.1]" }, "none (no domain name)"],
  ["an address as HELO", { sender: "", hello: "192.0.2.1" }, "none (no domain name)"],
  ["one label", { sender: "ann@localhost" }, "none (no domain name)"],
  ["nothing", { sender: "", hello: "" }, "none (no domain name)"],
  ["an empty label", { sender: "ann@a..example.org" }, "none (no domain name)"],
  ["a long label", { sender: `ann@${"a".repeat(64)}.org` }, "none (no domain name)"],
  ["a long name", { sender: `ann@${"a.".repeat(127)}org` }, "none (no domain name)"],
];

test("checkMailFrom() asks about the domain of the sender, or about HELO", async () => {
  const zones: Zones = {
    "text.example.org": { TXT: ["v=spf10 -all", "hello", "v=spf2.0/pra -all"] },
    "two.example.org": { TXT: ["v=spf1 -all", "v=spf1"] },
    "fail.example.org": "servfail",
    "hello.example.org": spf("v=spf1 ~all"),
    "xn--bcher-kva.example": spf("v=spf1 -all"),
  };
  for (const [what, over, result] of identities) {
    const { result: kind, mechanism, why } = await world(zones).check(over);
    assert.equal([kind, mechanism, why && `(${why})`].filter(Boolean).join(" "), result, what);
  }
});

test("checkHello() asks about HELO whatever the sender is", async () => {
  const resolver = new TableResolver({
    "mail.example.org": spf("v=spf1 exists:%{s}.%{h} -all"),
    "example.org": spf("v=spf1"),
  });
  const question = {
    address: "192.0.2.1",
    hello: "Mail.example.org",
    sender: "ann@example.org",
    receiver: "",
  };
  const answer = await checkHello(question, { resolver, clock: new FakeClock() });
  assert.deepEqual(answer, {
    result: "fail",
    identity: "helo",
    domain: "mail.example.org",
    mechanism: "-all",
    explanation: undefined,
    why: undefined,
    lookups: 1,
    voids: 1,
  });
  assert.deepEqual(resolver.asked, [
    "TXT mail.example.org",
    "A postmaster@mail.example.org.Mail.example.org",
  ]);
});

const macros: readonly [what: string, term: string, over: Ask, asked: string][] = [
  ["sender", "exists:%{s}.x.org", {}, "A ann@example.org.x.org"],
  ["local part", "exists:%{lr-}.x.org", { sender: "a-b-c@example.org" }, "A c.b.a.x.org"],
  ["client", "exists:%{ir}.%{v}.x.org", {}, "A 1.2.0.192.in-addr.x.org"],
  ["HELO", "exists:%{h}", {}, "A mail.example.org"],
  ["an international HELO", "exists:%{h}", { hello: "m\u00fcller.example" }, "A xn--mller-kva.example"],
  ["no HELO", "exists:%{h}.x.org", { hello: "" }, "A unknown.x.org"],
  ["the name of the client", "exists:%{p}", {}, "A us.example.org"],
  [
    "an international sender",
    "a:%{o}",
    { sender: "ann@b\u00fccher.example.org" },
    "A xn--bcher-kva.example.org",
  ],
];

test("macros are looked up as they are meant", async () => {
  for (const [what, term, over, asked] of macros) {
    const record = spf(`v=spf1 ${term} -all`);
    const { check, resolver } = world({
      ...hosts,
      "example.org": record,
      "xn--bcher-kva.example.org": record,
    });
    await check(over);
    assert.ok(resolver.asked.includes(asked), `${what}: ${resolver.asked}`);
  }
});

test("a local part beyond ASCII matches nothing", async () => {
  // RFC 8616 §4
  const { check, resolver } = world({
    "example.org": spf("v=spf1 exists:%{l}.example.org exists:%{s}.org -all"),
  });
  const { result, lookups, voids } = await check({ sender: "j\u00f6rg@example.org" });
  assert.deepEqual([result, lookups, voids, resolver.asked], ["fail", 2, 0, ["TXT example.org"]]);
});

test("ten terms may look names up, and no more, all records together", async () => {
  const terms = (count: number) => Array.from({ length: count }, () => "a:other.example.org").join(" ");
  assert.equal(await judge(`${terms(10)} -all`, hosts), "fail -all");
  assert.equal(await judge(`${terms(11)} -all`, hosts), "permerror (more than 10 terms that look names up)");
  // ip4, ip6 and all cost nothing
  const free = Array.from({ length: 500 }, (_, at) => `ip4:198.51.${at % 256}.0/24`).join(" ");
  assert.equal(await judge(`${free} ${terms(10)} -all`, hosts), "fail -all");
  const included = { ...hosts, "five.example.org": spf(`v=spf1 ${terms(5)}`) };
  assert.equal(await judge(`${terms(4)} include:five.example.org -all`, included), "fail -all");
  assert.match(await judge(`${terms(5)} include:five.example.org -all`, included), /^permerror/);
});

test("two terms may look up what is not there, and no more", async () => {
  const gone = (count: number) =>
    Array.from({ length: count }, (_, at) => `a:gone${at}.example.org`).join(" ");
  const over = "permerror (more than 2 terms that look up what is not there)";
  assert.equal(await judge(`${gone(2)} -all`), "fail -all");
  assert.equal(await judge(`${gone(3)} -all`), over);
  assert.equal(await judge("exists:a.example exists:b.example mx:c.example -all"), over);
  assert.equal(await judge("ptr ptr ptr -all"), over);
  // hosts of a family that the client does not speak are there
  const four = "a:four.example.org a:four.example.org a:four.example.org -all";
  assert.equal(await judge(four, hosts, { address: "2001:db8::9" }), "fail -all");
});

test("a client with many names costs a bounded number of questions", async () => {
  const names = Array.from({ length: 500 }, (_, at) => `n${at}.example.org`);
  const { check, resolver } = world({
    "example.org": spf("v=spf1 ptr ptr exists:%{p}.x.org -all"),
    "1.2.0.192.in-addr.arpa": { PTR: names },
  });
  assert.equal((await check()).result, "fail");
  assert.equal(resolver.asked.length, 1 + 1 + limits.spf.names + 1);
});

test("%{p} is best the domain itself, then a name below it, then any, else unknown", async () => {
  const p = async (names: readonly string[], own: readonly string[]) => {
    const zones = Object.fromEntries(
      own.map((name) => [name, { A: ["192.0.2.1"], TXT: ["v=spf1 exists:%{p}.x -all"] }]),
    );
    const ptr: Zones = names.length > 0 ? { "1.2.0.192.in-addr.arpa": { PTR: names } } : {};
    const { check, resolver } = world({
      "example.org": spf("v=spf1 exists:%{p}.x.org -all"),
      ...zones,
      ...ptr,
    });
    await check();
    return resolver.asked.at(-1);
  };
  const any = ["a.example.net", "b.example.org", "Example.ORG"];
  assert.equal(await p(any, ["a.example.net", "b.example.org"]), "A b.example.org.x.org");
  assert.equal(await p(any, ["a.example.net"]), "A a.example.net.x.org");
  assert.equal(await p(any, []), "A unknown.x.org");
  assert.equal(await p([], []), "A unknown.x.org");
});

const explanations: readonly [what: string, texts: readonly string[], explanation: string | undefined][] = [
  ["plain", ["Not for you"], "Not for you"],
  [
    "macros",
    ["%{i} may not send for %{o}, says %{r} at %{t} to %{C}%%"],
    "192.0.2.1 may not send for example.org, says mx.example.net at 1767225600 to 192.0.2.1%",
  ],
  ["two records", ["a", "b"], undefined],
  ["none", [], undefined],
  ["beyond ASCII", ["caf\u00e9"], undefined],
  ["a line end", ["a\r\n550 b"], undefined],
  ["a wrong macro", ["%{z}"], undefined],
  ["long", ["x".repeat(1000)], "x".repeat(limits.spf.explanation)],
  ["empty", [""], undefined],
];

for (const [what, texts, explanation] of explanations) {
  test(`the explanation of a fail: ${what}`, async () => {
    const { check } = world({
      "example.org": spf("v=spf1 -all exp=e.%{d}"),
      "e.example.org": { TXT: texts },
    });
    const answer = await check();
    assert.deepEqual([answer.result, answer.explanation], ["fail", explanation]);
  });
}

test("an explanation holds nothing of a sender that could end a line", async () => {
  const { check } = world({
    "example.org": spf("v=spf1 -all exp=e.example.org"),
    "e.example.org": { TXT: ["%{s}"] },
  });
  assert.equal((await check({ sender: '"a b"@example.org' })).explanation, '"a b"@example.org');
  assert.equal((await check({ sender: "a\r\nb@example.org" })).explanation, undefined);
  assert.equal((await check({ sender: "j\u00f6rg@example.org" })).explanation, undefined);
});

test("only a fail is explained, and an explanation that cannot be had changes nothing", async () => {
  const { check, resolver } = world({ "example.org": spf("v=spf1 ~all exp=e.example.org") });
  assert.equal((await check()).result, "softfail");
  assert.deepEqual(resolver.asked, ["TXT example.org"]);
  const failing = world({ "example.org": spf("v=spf1 -all exp=e.example.org"), "e.example.org": "servfail" });
  const { result, explanation } = await failing.check();
  assert.deepEqual([result, explanation], ["fail", undefined]);
});

/** The answer once `ms` have passed; undefined while there is none. */
async function after(clock: FakeClock, work: Promise<SpfAnswer>, ms: number) {
  let answer: SpfAnswer | undefined;
  void work.then((value) => {
    answer = value;
  });
  await clock.advance(ms);
  return answer;
}

test("a check ends when its time is over, and asks nothing after that", async () => {
  const clock = new FakeClock();
  const { check, resolver } = world({
    "example.org": spf("v=spf1 a:silent.example.org a:us.example.org -all"),
    "silent.example.org": "silent",
  });
  const work = check({ clock });
  assert.equal(await after(clock, work, limits.spf.time - 1), undefined);
  const answer = await after(clock, work, 1);
  assert.equal(answer?.result, "temperror");
  assert.match(answer.why ?? "", /^no answer within/);
  const { length } = resolver.asked;
  await clock.advance(60_000);
  assert.deepEqual([resolver.asked.length, clock.pending], [length, []]);
});

test("the time is that of the whole check", async () => {
  const clock = new FakeClock();
  const { check, resolver } = world({
    "example.org": spf("v=spf1 a:a.example a:b.example a:c.example -all"),
  });
  // each question takes nine seconds
  const slow = async () => {
    await new Promise<void>((resolve) => clock.after(9000, resolve));
    return { kind: "found", records: ["203.0.113.1"] } as const;
  };
  resolver.a = slow;
  const work = check({ clock });
  assert.equal(await after(clock, work, limits.spf.time - 1), undefined);
  assert.equal((await after(clock, work, 1))?.result, "temperror");
});

test("a fail without time for its explanation is a fail", async () => {
  const clock = new FakeClock();
  const { check } = world({ "example.org": spf("v=spf1 -all exp=e.example.org"), "e.example.org": "silent" });
  const answer = await after(clock, check({ clock }), limits.spf.time);
  assert.deepEqual([answer?.result, answer?.explanation], ["fail", undefined]);
});

test("a resolver that breaks is one that has no answer", async () => {
  const { check, resolver } = world({});
  resolver.txt = () => Promise.reject(new Error("broken"));
  const { result, why } = await check();
  assert.deepEqual([result, why], ["temperror", "broken"]);
});

test("any record gets one of the seven results, with a bounded number of questions", async () => {
  const term = fc.constantFrom(
    ..."a mx ptr a:%{p} mx:mx.example.org a:us.example.org include:r1.example.org include:r2.example.org exists:%{i}.%{l} redirect=r2.example.org exp=r1.example.org -all ~all ip4:192.0.2.1 ip6:::/0 a:gone.example a:fail.example.org foo %{ x=%{d}".split(
      " ",
    ),
  );
  const record = fc.array(term, { maxLength: 15 }).map((terms) => spf(`v=spf1 ${terms.join(" ")}`));
  const address = fc.constantFrom("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1", "203.0.113.1");
  await fc.assert(
    fc.asyncProperty(record, record, record, address, async (own, r1, r2, client) => {
      const zones: Zones = { ...hosts, "example.org": own, "r1.example.org": r1, "r2.example.org": r2 };
      const { check, resolver } = world(zones);
      const { result, lookups, voids, explanation } = await check({ address: client });
      assert.match(result, /^(?:pass|fail|softfail|neutral|none|temperror|permerror)$/);
      assert.ok(lookups <= limits.spf.lookups + 1 && voids <= limits.spf.voids + 1);
      assert.ok(explanation === undefined || result === "fail");
      assert.ok(resolver.asked.length < 12 * 13);
    }),
    { numRuns: 300 },
  );
});

test("SPF is looked up in a real DNS", async (context) => {
  const zone = await startZone({
    ...hosts,
    "example.org": spf("v=spf1 mx:mx.example.org include:pass.example.org -all"),
  });
  context.after(() => zone.close());
  const resolver = new NetworkResolver({
    servers: [zone.server],
    clock: new FakeClock(),
    timeout: 500,
    attempts: 1,
  });
  const ask = (address: string, sender: string) =>
    checkMailFrom(
      { address, sender, hello: "x.example", receiver: "y" },
      { resolver, clock: new FakeClock() },
    );
  assert.equal((await ask("192.0.2.1", "ann@example.org")).mechanism, "mx:mx.example.org");
  assert.equal((await ask("192.0.2.77", "ann@example.org")).mechanism, "include:pass.example.org");
  assert.equal((await ask("203.0.113.1", "ann@example.org")).result, "fail");
  assert.equal((await ask("192.0.2.1", "ann@gone.example.org")).result, "none");
  assert.equal((await ask("192.0.2.1", "ann@fail.example.org")).result, "temperror");
});
