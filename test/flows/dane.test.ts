// DANE through the whole server, with a real DNS behind it: NSD, and Unbound that validates; and a real Postfix among the receivers.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { startDns } from "../support/dnsservers.ts";
import { type Identity, identity, tlsaOf } from "../support/pki.ts";
import { needPostfix, startPostfix } from "../support/postfix.ts";
import { EHLO, EHLO_TLS, startSink } from "../support/smtpsink.ts";
import { submit } from "../support/submit.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { need } from "../support/tools.ts";
import { eventually, reasons, World } from "../support/world.ts";

const DNS_TOOLS = ["nsd", "unbound", "ldns-signzone", "openssl"];

const edited = (server: string, port: number) => (toml: string) =>
  toml
    .replace(/^servers = .*$/m, `servers = ["${server}"]`)
    .replace(/(\[remote\][\s\S]*?)^port = .*$/m, `$1port = ${port}`);

/** One exchanger at 127.0.0.1 with these records. */
const domain = (port: number, tlsa: string, address = "127.0.0.1"): string =>
  `@ MX 10 mx\nmx A ${address}\n_${port}._tcp.mx TLSA ${tlsa}`;

test("signed TLSA records decide where mail goes, forged ones stop it", async (context) => {
  if (!need(context, ...DNS_TOOLS)) return;
  const keys = identity(context, "elsewhere.test", { expired: true });
  const wrong = tlsaOf(identity(context, "x"), "3 1 1");
  const sink = await startSink({ EHLO: EHLO_TLS, keys });
  const stripped = await startSink({ EHLO, address: "127.0.0.2", port: sink.port });
  for (const each of [sink, stripped]) context.after(() => each.stop());
  const { port } = sink;
  const good = tlsaOf(keys, "3 1 1");
  const { unbound } = await startDns(context, {
    "good.test": { records: domain(port, good), signed: true },
    "wrong.test": { records: domain(port, wrong), signed: true },
    "stripped.test": { records: domain(port, good, "127.0.0.2"), signed: true },
    "unusable.test": { records: domain(port, "3 1 9 abcd"), signed: true },
    "forged.test": {
      records: domain(port, wrong),
      signed: true,
      forge: (zone) => zone.replaceAll(wrong.split(" ")[3] ?? "", good.split(" ")[3] ?? ""),
    },
    "old.test": { records: domain(port, good), signed: "expired" },
    "plain.test": domain(port, wrong),
  });
  const world = await World.start(context, edited(unbound, port));
  const domains = ["good", "wrong", "stripped", "unusable", "forged", "old", "plain"];
  for (const name of domains)
    await submit(world, [
      "MAIL FROM:<ann@a.test>",
      `RCPT TO:<x@${name}.test>`,
      "DATA",
      "Subject: dane\r\n\r\nx\r\n.",
    ]);
  const waiting = await reasons(world, 4);
  assert.match(waiting["x@wrong.test"] ?? "", /no TLSA record fits its certificate/);
  assert.match(waiting["x@stripped.test"] ?? "", /offers no STARTTLS/);
  assert.match(
    waiting["x@forged.test"] ?? "",
    /DNS does not answer for the TLSA records of mx\.forged\.test/,
  );
  assert.match(waiting["x@old.test"] ?? "", /DNS does not answer for old\.test/);
  await eventually(() => sink.messages.length === 3);
  assert.deepEqual(sink.messages.flatMap(({ rcpts, tls }) => [...rcpts, tls]).toSorted(), [
    "RCPT TO:<x@good.test>",
    "RCPT TO:<x@plain.test>",
    "RCPT TO:<x@unusable.test>",
    true,
    true,
    true,
  ]);
  assert.equal(stripped.messages.length, 0);
});

/** A Postfix for far.test that shows these keys. */
async function postfix(context: TestContext, { cert, key }: Identity): Promise<number> {
  const directory = temporaryDirectory(context);
  const file = path.join(directory, "keys.pem");
  fs.writeFileSync(file, key + cert);
  return startPostfix(context, {
    myhostname: "mx.far.test",
    mydestination: "",
    virtual_mailbox_domains: "far.test",
    virtual_mailbox_maps: "inline:{x@far.test=x/}",
    smtpd_relay_restrictions: "reject_unauth_destination",
    smtpd_peername_lookup: "no",
    smtpd_tls_chain_files: file,
    smtpd_tls_security_level: "may",
  });
}

test("Postfix gets mail when an authority in its domain's TLSA record has signed its certificate", async (context) => {
  if (!needPostfix(context) || !need(context, ...DNS_TOOLS)) return;
  const root = identity(context, "root", { authority: true });
  const own = identity(context, "mx.far.test", { issuer: root, names: ["mx.far.test"] });
  const port = await postfix(context, { cert: own.cert + root.cert, key: own.key });
  const { unbound } = await startDns(context, {
    "far.test": { records: domain(port, tlsaOf(root, "2 0 1")), signed: true },
    "plain.test": "",
  });
  const world = await World.start(context, edited(unbound, port));
  await submit(world, [
    "MAIL FROM:<ann@a.test>",
    "RCPT TO:<x@far.test> NOTIFY=SUCCESS",
    "DATA",
    "Subject: dane\r\n\r\nx\r\n.",
  ]);
  const line = await eventually(() => /remote_attempt.*$/m.exec(world.kenro(["log"]))?.[0] ?? false);
  assert.match(line, /host=mx\.far\.test.* tls=true.*result=delivered:1/);
});
