// REQUIRETLS on the way out: only proven servers that hand it on get such mail (RFC 8689).

import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import type { StsAnswer } from "#talk/tlspolicy.ts";
import { type Identity, identity, tlsaOf } from "#test/support/pki.ts";
import { delivery, short, textOf, world } from "#test/support/remoteworld.ts";
import { EHLO, EHLO_TLS, type Script } from "#test/support/smtpsink.ts";
import { need } from "#test/support/tools.ts";

const OFFERS = [...EHLO_TLS.slice(0, -1), "250-REQUIRETLS", "250 PIPELINING"];

interface Case {
  readonly root: Identity;
  readonly scripts: readonly (Script | "absent")[];
  readonly sts?: StsAnswer;
  /** TLSA records of mx1.test. */
  readonly tlsa?: readonly string[];
}

async function attempt(context: TestContext, { root, scripts, sts = { kind: "none" }, tlsa }: Case) {
  const here = await world(context, scripts, {
    authorities: root.cert,
    sts: async () => sts,
    trusted: ["127.0.0.0/8"],
    zones: (port) =>
      tlsa
        ? {
            "d.test": { MX: ["10 mx1.test"], secure: true },
            "mx1.test": { A: ["127.0.0.1"], secure: true },
            [`_${port}._tcp.mx1.test`]: { TLSA: tlsa, secure: true },
          }
        : {},
  });
  const deliver = () => here.remote.deliver(delivery(undefined, { requireTls: true }));
  const done = await deliver();
  return { outcome: short(done)[0], text: textOf(done), deliver, ...here };
}

const policy = (mode: "enforce" | "testing"): StsAnswer => ({
  kind: "sts",
  mode,
  mx: ["*.test", "mx1.test", "mx2.test"],
});

test("REQUIRETLS is handed on where a server is proven, and to nobody else", async (context) => {
  if (!need(context, "openssl")) return;
  const root = identity(context, "root", { authority: true });
  const keys = identity(context, "x", { issuer: root, names: ["mx1.test", "mx2.test"] });
  const self = identity(context, "mx1.test", { names: ["mx1.test"] });
  const good = { EHLO: OFFERS, keys };
  const tlsa = [tlsaOf(keys, "3 1 1")];
  const rows: readonly [what: string, over: Omit<Case, "root">, outcome: string][] = [
    ["DANE", { scripts: [good], tlsa }, "delivered"],
    ["MTA-STS", { scripts: [good], sts: policy("enforce") }, "delivered"],
    ["MTA-STS in testing", { scripts: [good], sts: policy("testing") }, "delivered"],
    ["the second server", { scripts: [{ EHLO: EHLO_TLS, keys }, good], sts: policy("enforce") }, "delivered"],
    ["nothing proves it", { scripts: [good] }, "failed 5.7.30"],
    ["DANE, unusable records", { scripts: [good], tlsa: ["3 1 9 ab"] }, "failed 5.7.30"],
    ["not offered", { scripts: [{ EHLO: EHLO_TLS, keys }], tlsa }, "failed 5.7.30"],
    ["another certificate", { scripts: [{ EHLO: OFFERS, keys: self }], tlsa }, "deferred 4.7.5"],
    [
      "testing, another certificate",
      { scripts: [{ EHLO: OFFERS, keys: self }], sts: policy("testing") },
      "deferred 4.7.5",
    ],
    ["testing, no TLS", { scripts: [{ EHLO }], sts: policy("testing") }, "deferred 4.7.4"],
    [
      "one is away",
      { scripts: [{ EHLO: EHLO_TLS, keys }, "absent"], sts: policy("enforce") },
      "deferred 4.4.1",
    ],
  ];
  for (const [what, over, expected] of rows) {
    const { outcome, text, sinks } = await attempt(context, { root, ...over });
    assert.equal(outcome, expected, `${what}: ${text}`);
    const mails = sinks.flatMap(({ messages }) =>
      messages.map(({ mail, tls }) => [/ REQUIRETLS(?: |$)/.test(mail), tls]),
    );
    assert.deepEqual(mails, expected === "delivered" ? [[true, true]] : [], what);
  }
});

test("a connection that waits is used for it too, or passed over", async (context) => {
  if (!need(context, "openssl")) return;
  const root = identity(context, "root", { authority: true });
  const keys = identity(context, "x");
  const tlsa = [tlsaOf(keys, "3 1 1")];
  const { deliver, sink } = await attempt(context, { root, scripts: [{ EHLO: OFFERS, keys }], tlsa });
  assert.deepEqual(short(await deliver()), ["delivered"]);
  assert.equal(sink.connections, 1);
  const without = await attempt(context, { root, scripts: [{ EHLO: EHLO_TLS, keys }], tlsa });
  assert.deepEqual(short(await without.deliver()), ["failed 5.7.30"]);
  assert.equal(without.sink.connections, 1);
});
