import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import test, { type TestContext } from "node:test";
import { messageOf } from "#base/problem.ts";
import { identity } from "#test/support/pki.ts";
import { need } from "#test/support/tools.ts";
import { isTlsFailure, requestHttps } from "./https.ts";

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

async function served(
  context: TestContext,
  keys: { readonly cert: string; readonly key: string },
  serve: Serve,
) {
  const server = https.createServer(keys, serve);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test("requestHttps() gives what is there, follows nothing and has an end", async (context) => {
  if (!need(context, "openssl")) return;
  const root = identity(context, "root", { authority: true });
  const keys = identity(context, "x", { issuer: root, names: ["a.test"] });
  const heard: string[] = [];
  const port = await served(context, keys, (request, response) => {
    heard.push(`${request.method} ${request.headers.host} ${request.url}`);
    if (request.url === "/moved") response.writeHead(301, { location: "/" }).end();
    else if (request.url === "/long") response.end("x".repeat(2000));
    else if (request.url === "/slow") response.write("x");
    else response.writeHead(200, { "content-type": "Text/Plain; charset=utf-8" }).end("hello");
  });
  const ask = (path: string, over = {}) =>
    requestHttps({
      host: "a.test",
      addresses: ["127.0.0.2", "127.0.0.1"],
      port,
      path,
      authorities: root.cert,
      bytes: 1000,
      time: 500,
      ...over,
    }).then(
      ({ status, type, body }) => `${status} ${type} ${body}`,
      (thrown: unknown) => `${isTlsFailure(thrown) ? "TLS: " : ""}${messageOf(thrown)}`,
    );
  assert.equal(await ask("/"), "200 text/plain hello");
  assert.equal(heard[0], `GET a.test:${port} /`);
  assert.equal(await ask("/moved"), "301  ");
  assert.match(await ask("/long"), /longer than 1000 bytes/);
  assert.match(await ask("/slow"), /no answer within 500 ms/);
  assert.equal(
    await ask("/", { body: { type: "application/x", bytes: Buffer.from("hi") } }),
    "200 text/plain hello",
  );
  assert.match(heard.at(-1) ?? "", /^POST /);
  assert.match(await ask("/", { host: "b.test" }), /^TLS: .*altnames/);
  assert.match(await ask("/", { authorities: identity(context, "x", { authority: true }).cert }), /^TLS: /);
  assert.match(await ask("/", { addresses: [] }), /^a\.test has no address/);
  assert.doesNotMatch(await ask("/", { addresses: ["127.0.0.3"] }), /^TLS: /);
});

test("requestHttps() takes no certificate that is over", async (context) => {
  if (!need(context, "openssl")) return;
  const root = identity(context, "root", { authority: true });
  const keys = identity(context, "x", { issuer: root, names: ["a.test"], expired: true });
  const port = await served(context, keys, (_, response) => response.end());
  const asked = requestHttps({
    host: "a.test",
    addresses: ["127.0.0.1"],
    port,
    path: "/",
    authorities: root.cert,
    bytes: 1,
    time: 2000,
  });
  await assert.rejects(asked, (thrown) => isTlsFailure(thrown) && /expired/.test(messageOf(thrown)));
});
