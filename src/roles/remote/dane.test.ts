// DANE on the way out: what TLSA records demand, and what becomes of mail when a server does not meet it (RFC 7672).

import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { chainOf, type Identity, identity, tlsaOf } from "#test/support/pki.ts";
import { delivery, short, textOf, world } from "#test/support/remoteworld.ts";
import { EHLO, EHLO_TLS, type Script } from "#test/support/smtpsink.ts";
import { need } from "#test/support/tools.ts";
import type { Records, Zones } from "#test/support/zone.ts";

const trusted = ["127.0.0.0/8"];

/** Everything about d.test and its exchanger is proven; with these records. */
function zonesOf(tlsa: readonly string[] | "servfail", over: Zones = {}) {
  return (port: number): Zones => ({
    "d.test": { MX: ["10 mx1.test"], secure: true },
    "mx1.test": { A: ["127.0.0.1"], secure: true },
    [`_${port}._tcp.mx1.test`]: tlsa === "servfail" ? "servfail" : { TLSA: tlsa, secure: true },
    ...over,
  });
}

interface Case {
  readonly tlsa: readonly string[] | "servfail";
  readonly keys: Identity;
  readonly script?: Script;
  readonly over?: (port: number) => Zones;
  readonly believed?: readonly string[];
}

async function attempt(context: TestContext, { tlsa, keys, script, over, believed = trusted }: Case) {
  const here = await world(context, [{ EHLO: EHLO_TLS, keys, ...script }], {
    zones: (port) => ({ ...zonesOf(tlsa)(port), ...over?.(port) }),
    trusted: believed,
  });
  const done = await here.remote.deliver(delivery());
  const message = here.sink.messages[0];
  return { outcome: short(done)[0], text: textOf(done), tls: message?.tls, ...here };
}

test("a server that fits its TLSA records gets the mail, whatever else is wrong with its certificate", async (context) => {
  if (!need(context, "openssl")) return;
  const self = identity(context, "other.test");
  const expired = identity(context, "other.test", { expired: true });
  const wrong = identity(context, "wrong.test");
  for (const kind of ["3 0 0", "3 0 1", "3 0 2", "3 1 0", "3 1 1", "3 1 2"])
    assert.equal(
      (await attempt(context, { tlsa: [tlsaOf(self, kind)], keys: self })).outcome,
      "delivered",
      kind,
    );
  const rows: readonly [what: string, tlsa: readonly string[], keys: Identity][] = [
    ["expired", [tlsaOf(expired, "3 1 1")], expired],
    ["the second record", [tlsaOf(wrong, "3 1 1"), tlsaOf(self, "3 1 1")], self],
    ["beside unusable records", ["1 1 1 abcd", "3 1 9 abcd", tlsaOf(self, "3 1 1")], self],
  ];
  for (const [what, tlsa, keys] of rows) {
    const { outcome, tls } = await attempt(context, { tlsa, keys });
    assert.deepEqual([outcome, tls], ["delivered", true], what);
  }
});

test("an authority of the domain's own vouches for names and dates", async (context) => {
  if (!need(context, "openssl")) return;
  const root = identity(context, "root", { authority: true });
  const stranger = identity(context, "stranger", { authority: true });
  const middle = identity(context, "middle", { authority: true, issuer: root });
  const low = identity(context, "low", {
    issuer: root,
    extensions: ["basicConstraints=critical,CA:TRUE,pathlen:0"],
  });
  const lower = identity(context, "lower", { issuer: low, authority: true });
  const leaf = (issuer: Identity, names = ["mx1.test"], more = {}) =>
    identity(context, "x", { issuer, names, ...more });
  const good = leaf(root);
  const ok = "delivered";
  const no = "deferred 4.7.5";
  const rows: readonly [what: string, kind: string, anchor: Identity, shown: Identity, outcome: string][] = [
    ["its certificate by hash", "2 0 1", root, chainOf(good, root), ok],
    ["its key by hash", "2 1 2", root, chainOf(good, root), ok],
    ["not sent, hash", "2 0 1", root, good, no],
    ["not sent, whole certificate", "2 0 0", root, good, ok],
    ["not sent, whole key", "2 1 0", root, good, ok],
    ["another's whole key", "2 1 0", stranger, good, no],
    ["one in the middle", "2 0 1", middle, chainOf(leaf(middle), middle), ok],
    ["over one in the middle", "2 1 1", root, chainOf(leaf(middle), middle, root), ok],
    ["the domain of the recipients", "2 0 1", root, chainOf(leaf(root, ["d.test"]), root), ok],
    ["another name", "2 0 1", root, chainOf(leaf(root, ["mx2.test"]), root), no],
    ["expired", "2 0 1", root, chainOf(leaf(root, ["mx1.test"], { expired: true }), root), no],
    ["another authority", "2 0 1", stranger, chainOf(good, root), no],
    ["a stranger's name", "2 0 1", stranger, chainOf(good, stranger), no],
    ["the server's own certificate", "2 0 1", good, chainOf(good, root), no],
    [
      "for clients only",
      "2 0 1",
      root,
      chainOf(leaf(root, ["mx1.test"], { extensions: ["extendedKeyUsage=clientAuth"] }), root),
      no,
    ],
    ["signed by no authority", "2 0 1", root, chainOf(leaf(good), good, root), no],
    ["deeper than allowed", "2 0 1", root, chainOf(leaf(lower), lower, low, root), no],
    [
      "with a demand",
      "2 0 1",
      root,
      chainOf(leaf(root, ["mx1.test"], { extensions: ["1.2.3.4=critical,ASN1:NULL"] }), root),
      no,
    ],
  ];
  for (const [what, kind, anchor, keys, expected] of rows) {
    const { outcome, text, sink } = await attempt(context, { tlsa: [tlsaOf(anchor, kind)], keys });
    assert.equal(outcome, expected, `${what}: ${text}`);
    assert.equal(sink.messages.length, expected === ok ? 1 : 0, what);
  }
});

test("nothing is sent where the records are not met, in clear least of all", async (context) => {
  if (!need(context, "openssl")) return;
  const keys = identity(context, "mx1.test");
  const other = identity(context, "mx1.test");
  const good = [tlsaOf(keys, "3 1 1")];
  const rows: readonly [
    what: string,
    tlsa: readonly string[] | "servfail",
    script: Script,
    outcome: string,
  ][] = [
    ["another key", [tlsaOf(other, "3 1 1")], {}, "deferred 4.7.5"],
    ["a weaker hash that fits", [tlsaOf(keys, "3 1 1"), tlsaOf(other, "3 1 2")], {}, "deferred 4.7.5"],
    ["STARTTLS taken out", good, { EHLO }, "deferred 4.7.4"],
    ["STARTTLS refused", good, { STARTTLS: "454 4.7.0 not now" }, "deferred 4.7.0"],
    ["HELO only", good, { EHLO: "502 what?" }, "deferred 4.7.4"],
    ["broken handshake", good, { tls: "break" }, "deferred 4.7.5"],
    ["clear text behind the answer", good, { STARTTLS: ["220 go on", "250 injected"] }, "deferred 4.7.5"],
    ["closed instead", good, { STARTTLS: "close" }, "deferred 4.7.5"],
    ["no answer for the records", "servfail", {}, "deferred 4.4.3"],
    ["unusable records: no TLS", ["3 1 9 abcd"], { EHLO }, "deferred 4.7.4"],
  ];
  for (const [what, tlsa, script, expected] of rows) {
    const { outcome, text, sink } = await attempt(context, { tlsa, keys, script });
    assert.equal(outcome, expected, `${what}: ${text}`);
    assert.equal(sink.messages.length, 0, what);
    assert.ok(sink.connections <= 1, what);
  }
  const { outcome, tls } = await attempt(context, { tlsa: ["3 1 9 abcd", "0 0 1 ab"], keys });
  assert.deepEqual([outcome, tls], ["delivered", true], "unusable records: any certificate");
});

test("the next exchanger is tried when one does not meet its records", async (context) => {
  if (!need(context, "openssl")) return;
  const [keys, other] = [identity(context, "x"), identity(context, "x")];
  const { remote, sinks } = await world(
    context,
    [
      { EHLO: EHLO_TLS, keys },
      { EHLO: EHLO_TLS, keys },
    ],
    {
      trusted,
      zones: (port) => ({
        "d.test": { MX: ["10 mx1.test", "20 mx2.test"], secure: true },
        "mx1.test": { A: ["127.0.0.1"], secure: true },
        "mx2.test": { A: ["127.0.0.2"], secure: true },
        [`_${port}._tcp.mx1.test`]: { TLSA: [tlsaOf(other, "3 1 1")], secure: true },
        [`_${port}._tcp.mx2.test`]: { TLSA: [tlsaOf(keys, "3 1 1")], secure: true },
      }),
    },
  );
  assert.deepEqual(short(await remote.deliver(delivery())), ["delivered"]);
  assert.deepEqual(
    sinks.map(({ messages }) => messages.length),
    [0, 1],
  );
});

test("records count only where everything that leads to them is proven", async (context) => {
  if (!need(context, "openssl")) return;
  const keys = identity(context, "x");
  const bad = [tlsaOf(identity(context, "x"), "3 1 1")];
  const alias = (port: number, own: Partial<Records>, real: Partial<Records>): Zones => ({
    "mx1.test": { CNAME: "real.test", ...own },
    "real.test": { A: ["127.0.0.1"], ...real },
    [`_${port}._tcp.mx1.test`]: { TLSA: bad, secure: true },
  });
  const S = { secure: true } as const;
  const counts = "deferred 4.7.5";
  const rows: readonly [what: string, over: (port: number) => Zones, outcome: string][] = [
    ["MX not proven", () => ({ "d.test": { MX: ["10 mx1.test"] } }), "delivered"],
    ["address not proven", () => ({ "mx1.test": { A: ["127.0.0.1"] } }), "delivered"],
    ["records not proven", (port) => ({ [`_${port}._tcp.mx1.test`]: { TLSA: bad } }), "delivered"],
    [
      "no MX, proven",
      (port) => ({ "d.test": { A: ["127.0.0.1"], ...S }, [`_${port}._tcp.d.test`]: { TLSA: bad, ...S } }),
      counts,
    ],
    ["alias, all proven, records at itself", (port) => alias(port, S, S), counts],
    ["alias out of the signed zone", (port) => alias(port, S, {}), counts],
    ["alias in no signed zone", (port) => alias(port, {}, S), "delivered"],
    [
      "alias, records where it leads",
      (port) => ({
        ...alias(port, S, S),
        [`_${port}._tcp.mx1.test`]: { TLSA: [tlsaOf(keys, "3 1 1")], ...S },
        [`_${port}._tcp.real.test`]: { TLSA: bad, ...S },
      }),
      counts,
    ],
  ];
  for (const [what, over, expected] of rows) {
    const { outcome, text } = await attempt(context, { tlsa: bad, keys, over });
    assert.equal(outcome, expected, `${what}: ${text}`);
  }
  const { outcome } = await attempt(context, { tlsa: bad, keys, believed: ["192.0.2.0/24"] });
  assert.equal(outcome, "delivered", "the resolver is not trusted");
});
