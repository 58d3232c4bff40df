// What remote tells for reports on TLS (RFC 8460 §4.3): one result for each connection that TLS has decided.

import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import type { StsAnswer } from "#talk/tlspolicy.ts";
import { type Identity, identity, tlsaOf } from "#test/support/pki.ts";
import { delivery, short, world } from "#test/support/remoteworld.ts";
import { EHLO, EHLO_TLS, type Script } from "#test/support/smtpsink.ts";
import { need } from "#test/support/tools.ts";
import type { TlsResult } from "#wire/message/tlsresult.ts";

interface Case {
  readonly root: Identity;
  readonly script: Script | "absent";
  readonly sts?: StsAnswer;
  readonly tlsa?: readonly string[] | "servfail";
  readonly sender?: string;
}

async function told(context: TestContext, { root, script, sts = { kind: "none" }, tlsa, sender }: Case) {
  const results: TlsResult[] = [];
  const { remote } = await world(context, [script], {
    authorities: root.cert,
    sts: async () => sts,
    trusted: ["127.0.0.0/8"],
    reporter: "reports@sender.test",
    tell: (result) => void results.push(result),
    zones: (port) =>
      tlsa
        ? {
            "d.test": { MX: ["10 mx1.test"], secure: true },
            "mx1.test": { A: ["127.0.0.1"], secure: true },
            [`_${port}._tcp.mx1.test`]: tlsa === "servfail" ? tlsa : { TLSA: tlsa, secure: true },
          }
        : {},
  });
  const mail = delivery(undefined, sender ? { sender } : {});
  const outcomes = short(await remote.deliver(mail));
  // a connection that is used again is none
  await remote.deliver(mail);
  return { results, outcome: outcomes[0] };
}

const policy = (mode: "enforce" | "testing", mx = "mx1.test"): StsAnswer => ({ kind: "sts", mode, mx: [mx] });

test("each connection is told with what was published and what was wrong", async (context) => {
  if (!need(context, "openssl")) return;
  const root = identity(context, "root", { authority: true });
  const keys = identity(context, "x", { issuer: root, names: ["mx1.test"] });
  const expired = identity(context, "x", { issuer: root, names: ["mx1.test"], expired: true });
  const other = identity(context, "x", { issuer: root, names: ["mx2.test"] });
  const self = identity(context, "x", { names: ["mx1.test"] });
  const tls = (own: Identity): Script => ({ EHLO: EHLO_TLS, keys: own });
  const rows: readonly [what: string, over: Omit<Case, "root">, result: string | undefined][] = [
    ["nothing published", { script: tls(self) }, "no-policy-found"],
    ["nothing published, no TLS", { script: { EHLO } }, "no-policy-found starttls-not-supported"],
    [
      "nothing published, broken",
      { script: { EHLO: EHLO_TLS, tls: "break" } },
      "no-policy-found validation-failure",
    ],
    ["TLSA", { script: tls(keys), tlsa: [tlsaOf(keys, "3 1 1")] }, "tlsa"],
    ["TLSA, another", { script: tls(self), tlsa: [tlsaOf(keys, "3 1 1")] }, "tlsa validation-failure"],
    ["TLSA, no TLS", { script: { EHLO }, tlsa: [tlsaOf(keys, "3 1 1")] }, "tlsa starttls-not-supported"],
    ["TLSA, no answer", { script: tls(keys), tlsa: "servfail" }, "tlsa dnssec-invalid"],
    ["policy", { script: tls(keys), sts: policy("enforce") }, "sts"],
    ["policy, name", { script: tls(other), sts: policy("enforce") }, "sts certificate-host-mismatch"],
    ["policy, expired", { script: tls(expired), sts: policy("enforce") }, "sts certificate-expired"],
    ["policy, not trusted", { script: tls(self), sts: policy("enforce") }, "sts certificate-not-trusted"],
    [
      "policy, refused",
      { script: { EHLO: EHLO_TLS, STARTTLS: "454 no" }, sts: policy("enforce") },
      "sts starttls-not-supported",
    ],
    [
      "policy, other exchanger",
      { script: tls(keys), sts: policy("enforce", "mx9.test") },
      "sts validation-failure",
    ],
    ["testing, name", { script: tls(other), sts: policy("testing") }, "sts certificate-host-mismatch"],
    [
      "testing, other exchanger",
      { script: tls(keys), sts: policy("testing", "mx9.test") },
      "sts validation-failure",
    ],
    ["testing, no TLS", { script: { EHLO }, sts: policy("testing") }, "sts starttls-not-supported"],
    ["nobody there", { script: "absent", sts: policy("enforce") }, undefined],
    ["no mail server", { script: { greeting: "554 no" }, sts: policy("enforce") }, undefined],
  ];
  for (const [what, over, expected] of rows) {
    const { results } = await told(context, { root, ...over });
    const [first] = results;
    const shown = first && [first.policy.type, first.failure?.result].filter(Boolean).join(" ");
    assert.equal(shown, expected, what);
    if (!first?.failure) continue;
    assert.deepEqual([first.domain, first.failure.host], ["d.test", "mx1.test"], what);
  }
  const { results } = await told(context, { root, script: tls(keys), sts: policy("enforce") });
  assert.deepEqual(results, [
    {
      domain: "d.test",
      policy: { type: "sts", strings: ["version: STSv1", "mode: enforce", "mx: mx1.test"], mx: ["mx1.test"] },
      failure: undefined,
    },
  ]);
});

test("a report goes out whatever is wrong with TLS, and is not told of", async (context) => {
  if (!need(context, "openssl")) return;
  const root = identity(context, "root", { authority: true });
  const tlsa = [tlsaOf(root, "3 1 1")];
  const sender = "reports@sender.test";
  for (const over of [{ tlsa }, { sts: policy("enforce") }, { sts: policy("enforce", "mx9.test") }]) {
    const { results, outcome } = await told(context, { root, script: { EHLO }, sender, ...over });
    assert.deepEqual([outcome, results], ["delivered", []]);
  }
});
