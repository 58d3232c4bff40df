// MTA-STS through the whole server: a DNS, a web server with the policies, and mail servers that keep them or do not.

import assert from "node:assert/strict";
import fs from "node:fs";
import https from "node:https";
import type { AddressInfo } from "node:net";
import path from "node:path";
import test, { type TestContext } from "node:test";
import { startDns } from "../support/dnsservers.ts";
import { type Identity, identity } from "../support/pki.ts";
import { EHLO_TLS, startSink } from "../support/smtpsink.ts";
import { submit } from "../support/submit.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { need } from "../support/tools.ts";
import { eventually, reasons, World } from "../support/world.ts";

const policies: Readonly<Record<string, string>> = {
  "good.test": "mode: enforce\nmx: mx.good.test\nmax_age: 86400",
  "name.test": "mode: enforce\nmx: mx.name.test\nmax_age: 86400",
  "listed.test": "mode: enforce\nmx: other.listed.test\nmax_age: 86400",
  "testing.test": "mode: testing\nmx: other.testing.test\nmax_age: 86400",
};

/** A web server for `mta-sts.<domain>`; what it was asked for. */
async function startWeb(context: TestContext, keys: Identity) {
  const asked: string[] = [];
  const server = https.createServer(keys, (request, response) => {
    const domain = /^mta-sts\.([^:]+)/.exec(request.headers.host ?? "")?.[1] ?? "";
    asked.push(`${domain} ${request.url}`);
    const policy = policies[domain];
    if (policy === undefined) return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": "text/plain" }).end(`version: STSv1\n${policy}\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, asked };
}

const send = (world: World, domain: string) =>
  submit(world, ["MAIL FROM:<ann@a.test>", `RCPT TO:<x@${domain}>`, "DATA", "Subject: sts\r\n\r\nx\r\n."]);

test("policies are fetched, kept over a restart and decide where mail goes", async (context) => {
  if (!need(context, "nsd", "unbound", "openssl")) return;
  const root = identity(context, "root", { authority: true });
  const web = Object.keys(policies).map((domain) => `mta-sts.${domain}`);
  const { port: httpsPort, asked } = await startWeb(
    context,
    identity(context, "web", { issuer: root, names: web }),
  );
  const names = ["mx.good.test", "mx.listed.test", "mx.testing.test"];
  const sink = await startSink({ EHLO: EHLO_TLS, keys: identity(context, "mx", { issuer: root, names }) });
  context.after(() => sink.stop());
  const zone = (more: string) => `@ MX 10 mx\nmx A 127.0.0.1\n${more}`;
  const published = zone('_mta-sts TXT "v=STSv1; id=1;"\nmta-sts A 127.0.0.1');
  const { unbound } = await startDns(context, {
    ...Object.fromEntries(Object.keys(policies).map((domain) => [domain, published])),
    // its policy cannot be had: the certificate of the web server is not for it
    "unknown.test": published,
    "plain.test": zone(""),
  });
  const authorities = path.join(temporaryDirectory(context), "root.pem");
  fs.writeFileSync(authorities, root.cert);
  const world = await World.start(context, (toml) =>
    toml
      .replace(/^servers = .*$/m, `servers = ["${unbound}"]`)
      .replace(/^authorities = .*$/m, `authorities = "${authorities}"`)
      .replace(/^https_port = .*$/m, `https_port = ${httpsPort}`)
      .replace(/(\[remote\][\s\S]*?)^port = .*$/m, `$1port = ${sink.port}`),
  );
  for (const domain of [...Object.keys(policies), "unknown.test", "plain.test"]) await send(world, domain);
  const waiting = await reasons(world, 2);
  assert.match(waiting["x@name.test"] ?? "", /its certificate is not for mx\.name\.test/);
  assert.match(
    waiting["x@listed.test"] ?? "",
    /mx\.listed\.test is not among the exchangers in the MTA-STS policy/,
  );
  await eventually(() => sink.messages.length === 4);
  assert.ok(sink.messages.every(({ tls }) => tls));
  const fetched = Object.keys(policies).map((domain) => `${domain} /.well-known/mta-sts.txt`);
  assert.deepEqual(asked.toSorted(), fetched.toSorted());
  assert.match(world.kenro(["log"]), /tlspolicy sts_unknown domain=unknown\.test text=.*altnames/);
  // a restart: what was fetched is known still
  await world.stop();
  await world.up();
  await send(world, "good.test");
  await eventually(() => sink.messages.length === 5);
  assert.equal(asked.length, 4);
});
