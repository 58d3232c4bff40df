// MTA-STS on the way out: what a policy demands, and what becomes of mail when a server does not meet it (RFC 8461).

import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { Trouble } from "#base/problem.ts";
import type { StsAnswer } from "#talk/tlspolicy.ts";
import { chainOf, type Identity, identity, tlsaOf } from "#test/support/pki.ts";
import { delivery, short, textOf, world } from "#test/support/remoteworld.ts";
import { EHLO, EHLO_TLS, type Script } from "#test/support/smtpsink.ts";
import { need } from "#test/support/tools.ts";

const policy = (mode: "enforce" | "testing", mx = "mx1.test"): StsAnswer => ({ kind: "sts", mode, mx: [mx] });

async function attempt(context: TestContext, root: Identity, script: Script, sts: StsAnswer) {
  const asked: string[] = [];
  const here = await world(context, [{ EHLO: EHLO_TLS, ...script }], {
    authorities: root.cert,
    sts: async (domain) => {
      asked.push(domain);
      return sts;
    },
  });
  const done = await here.remote.deliver(delivery());
  assert.deepEqual(asked, ["d.test"]);
  return { outcome: short(done)[0], text: textOf(done), tls: here.sink.messages[0]?.tls };
}

test("an enforced policy is kept, one in testing is only looked at", async (context) => {
  if (!need(context, "openssl")) return;
  const root = identity(context, "root", { authority: true });
  const of = (names: readonly string[], more = {}) =>
    identity(context, "x", { issuer: root, names, ...more });
  const good = of(["mx1.test"]);
  const other = of(["mx2.test"]);
  const expired = of(["mx1.test"], { expired: true });
  const self = identity(context, "mx1.test", { names: ["mx1.test"] });
  const middle = identity(context, "middle", { issuer: root, authority: true });
  const below = chainOf(identity(context, "x", { issuer: middle, names: ["mx1.test"] }), middle);
  const no = "deferred 4.7.5";
  const rows: readonly [what: string, script: Script, pattern: string, outcome: string][] = [
    ["all well", { keys: good }, "mx1.test", "delivered"],
    ["a chain", { keys: below }, "mx1.test", "delivered"],
    ["named by a wildcard", { keys: good }, "*.test", "delivered"],
    ["another name", { keys: other }, "mx1.test", no],
    ["expired", { keys: expired }, "mx1.test", no],
    ["signed by itself", { keys: self }, "mx1.test", no],
    ["not among the exchangers", { keys: good }, "mx9.test", no],
    ["STARTTLS taken out", { EHLO }, "mx1.test", "deferred 4.7.4"],
    ["STARTTLS refused", { STARTTLS: "454 4.7.0 not now" }, "mx1.test", "deferred 4.7.0"],
    ["broken handshake", { tls: "break" }, "mx1.test", no],
  ];
  for (const [what, script, pattern, expected] of rows) {
    const enforced = await attempt(context, root, script, policy("enforce", pattern));
    assert.equal(enforced.outcome, expected, `${what}: ${enforced.text}`);
    const testing = await attempt(context, root, script, policy("testing", pattern));
    assert.equal(testing.outcome, "delivered", `testing, ${what}: ${testing.text}`);
  }
  const strange = await attempt(context, root, { keys: self }, policy("testing"));
  assert.equal(strange.tls, true, "TLS is used even if its certificate is wrong");
  assert.equal((await attempt(context, root, { keys: self }, { kind: "none" })).outcome, "delivered");
});

test("a wildcard in a certificate stands for one label", async (context) => {
  if (!need(context, "openssl")) return;
  const root = identity(context, "root", { authority: true });
  const keys = identity(context, "x", { issuer: root, names: ["*.d.test"] });
  for (const [host, expected] of [
    ["mx.d.test", "delivered"],
    ["a.mx.d.test", "deferred 4.7.5"],
  ] as const) {
    const { remote } = await world(context, [{ EHLO: EHLO_TLS, keys }], {
      authorities: root.cert,
      sts: async () => policy("enforce", host),
      zones: { "d.test": { MX: [`10 ${host}`] }, [host]: { A: ["127.0.0.1"] } },
    });
    assert.deepEqual(short(await remote.deliver(delivery())), [expected], host);
  }
});

test("mail waits while its policy cannot be known", async (context) => {
  const { remote, sink } = await world(context, [{ EHLO: EHLO_TLS }], {
    sts: async () => {
      throw new Trouble("ask", "The role is away");
    },
  });
  const done = await remote.deliver(delivery());
  assert.deepEqual(short(done), ["deferred 4.7.5"]);
  assert.match(textOf(done), /^The MTA-STS policy of d\.test is not known now: The role is away$/);
  assert.equal(sink.connections, 0);
});

test("TLSA records come before a policy, which then does not count", async (context) => {
  if (!need(context, "openssl")) return;
  const keys = identity(context, "nobody.test");
  const zones = (tlsa: string) => (port: number) =>
    ({
      "d.test": { MX: ["10 mx1.test"], secure: true },
      "mx1.test": { A: ["127.0.0.1"], secure: true },
      [`_${port}._tcp.mx1.test`]: { TLSA: [tlsa], secure: true },
    }) as const;
  const options = { trusted: ["127.0.0.0/8"], sts: async () => policy("enforce", "mx9.test") };
  const good = await world(context, [{ EHLO: EHLO_TLS, keys }], {
    ...options,
    zones: zones(tlsaOf(keys, "3 1 1")),
  });
  assert.deepEqual(short(await good.remote.deliver(delivery())), ["delivered"]);
  const root = identity(context, "root", { authority: true });
  const proper = identity(context, "x", { issuer: root, names: ["mx1.test"] });
  const bad = await world(context, [{ EHLO: EHLO_TLS, keys: proper }], {
    ...options,
    authorities: root.cert,
    sts: async () => policy("testing"),
    zones: zones(tlsaOf(keys, "3 1 1")),
  });
  assert.deepEqual(short(await bad.remote.deliver(delivery())), ["deferred 4.7.5"]);
});

test("a connection made for less is not used for mail that demands more", async (context) => {
  if (!need(context, "openssl")) return;
  let sts: StsAnswer = { kind: "none" };
  const { remote, sink } = await world(context, [{ EHLO: EHLO_TLS, keys: identity(context, "x") }], {
    sts: async () => sts,
  });
  assert.deepEqual(short(await remote.deliver(delivery())), ["delivered"]);
  sts = policy("enforce");
  assert.deepEqual(short(await remote.deliver(delivery())), ["deferred 4.7.5"]);
  assert.equal(sink.messages.length, 1);
  assert.equal(sink.connections, 2);
});
