// The site's own routes: which mail takes which, and what the server there hears and must show.

import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import type { RouteSlice } from "#config/slice.ts";
import { type Identity, identity } from "#test/support/pki.ts";
import { delivery, short, textOf, world } from "#test/support/remoteworld.ts";
import { EHLO, EHLO_TLS, type Script, startSink } from "#test/support/smtpsink.ts";
import { temporaryDirectory } from "#test/support/temporary.ts";
import { need } from "#test/support/tools.ts";
import { routeFor } from "./via.ts";

const route = (over: Partial<RouteSlice> = {}): RouteSlice => ({
  recipients: [],
  senders: [],
  host: "",
  protocol: "smtp",
  tls: "may",
  user: "",
  password: "",
  hello: "out.test",
  sourceAddress: "",
  ...over,
});

test("routeFor() takes the first route that fits recipients' domain and sender", () => {
  const rows: readonly [patterns: Partial<RouteSlice>, domain: string, sender: string, fits: boolean][] = [
    [{}, "a.test", "x@b.test", true],
    [{ recipients: ["a.test"] }, "A.test", "", true],
    [{ recipients: ["a.test"] }, "sub.a.test", "", false],
    [{ recipients: [".a.test"] }, "sub.a.test", "", true],
    [{ recipients: [".a.test"] }, "a.test", "", false],
    [{ recipients: [".a.test"] }, "xa.test", "", false],
    [{ recipients: ["x.test", "*"] }, "a.test", "", true],
    [{ recipients: ["bücher.test"] }, "xn--bcher-kva.test", "", true],
    [{ recipients: ["xn--bcher-kva.test"] }, "bücher.test", "", true],
    [{ senders: ["ann@b.test"] }, "a.test", "ann@B.test", true],
    [{ senders: ["ann@b.test"] }, "a.test", "Ann@b.test", false],
    [{ senders: ["b.test"] }, "a.test", "bob@b.test", true],
    [{ senders: [".b.test"] }, "a.test", "bob@c.b.test", true],
    [{ senders: ["b.test"] }, "a.test", "", false],
    [{ senders: ["<>"] }, "a.test", "", true],
    [{ senders: ["<>"] }, "a.test", "x@b.test", false],
    [{ recipients: ["a.test"], senders: ["b.test"] }, "a.test", "x@c.test", false],
  ];
  for (const [patterns, domain, sender, fits] of rows) {
    const first = route(patterns);
    const last = route({ host: "last" });
    const found = routeFor([first, last], { domain, sender });
    assert.equal(found === first, fits, JSON.stringify([patterns, domain, sender]));
  }
  assert.equal(routeFor([route({ recipients: ["a.test"] })], { domain: "b.test", sender: "" }), undefined);
});

interface Case {
  readonly root?: Identity;
  readonly script?: Script;
  readonly over: Partial<RouteSlice>;
}

/** Mail for d.test by a route to relay.test, which is a sink. */
async function attempt(context: TestContext, { root, script = {}, over }: Case) {
  const routes: RouteSlice[] = [];
  const here = await world(context, [script], {
    routes,
    authorities: root?.cert ?? "",
    zones: { "relay.test": { A: ["127.0.0.1"] }, "mx1.test": { A: ["127.0.0.9"] } },
  });
  routes.push(route({ host: `relay.test:${here.sink.port}`, ...over }));
  const done = await here.remote.deliver(delivery(["ann@d.test", "bob@d.test"]));
  return { outcome: short(done)[0], outcomes: short(done), text: textOf(done), ...here };
}

test("a route has its host, its name in EHLO and its own source address", async (context) => {
  const { outcome, sink } = await attempt(context, { over: { sourceAddress: "127.0.0.7" } });
  assert.equal(outcome, "delivered");
  assert.equal(sink.heard[1], "EHLO out.test");
  assert.deepEqual(sink.clients, ["127.0.0.7"]);
  const other = await attempt(context, { over: { recipients: ["other.test"] } });
  assert.equal(other.outcome, "deferred 4.4.1");
});

test("a route says how much TLS there must be", async (context) => {
  if (!need(context, "openssl")) return;
  const root = identity(context, "root", { authority: true });
  const good = identity(context, "x", { issuer: root, names: ["relay.test"] });
  const other = identity(context, "x", { issuer: root, names: ["other.test"] });
  const rows: readonly [tls: RouteSlice["tls"], script: Script, outcome: string, used: boolean][] = [
    ["none", { EHLO: EHLO_TLS, keys: good }, "delivered", false],
    ["may", { EHLO }, "delivered", false],
    ["may", { EHLO: EHLO_TLS, keys: other }, "delivered", true],
    ["require", { EHLO: EHLO_TLS, keys: other }, "delivered", true],
    ["require", { EHLO }, "deferred 4.7.4", false],
    ["require", { EHLO: EHLO_TLS, tls: "break" }, "deferred 4.7.5", false],
    ["verify", { EHLO: EHLO_TLS, keys: good }, "delivered", true],
    ["verify", { EHLO: EHLO_TLS, keys: other }, "deferred 4.7.5", false],
    ["verify", { EHLO: EHLO_TLS }, "deferred 4.7.5", false],
    ["verify", { EHLO }, "deferred 4.7.4", false],
  ];
  for (const [tls, script, expected, used] of rows) {
    const { outcome, text, sink } = await attempt(context, { root, script, over: { tls } });
    assert.equal(outcome, expected, `${tls}: ${text}`);
    assert.equal(sink.messages[0]?.tls ?? false, used, tls);
  }
});

test("without a host a certificate must be for the domain, or for an exchanger below it", async (context) => {
  if (!need(context, "openssl")) return;
  const root = identity(context, "root", { authority: true });
  for (const [name, exchanger, expected] of [
    ["d.test", "mx1.test", "delivered"],
    ["mx.d.test", "mx.d.test", "delivered"],
    ["mx1.test", "mx1.test", "deferred 4.7.5"],
  ] as const) {
    const keys = identity(context, "x", { issuer: root, names: [name] });
    const { remote } = await world(context, [{ EHLO: EHLO_TLS, keys }], {
      routes: [route({ tls: "verify" })],
      authorities: root.cert,
      zones: { "d.test": { MX: [`10 ${exchanger}`] }, [exchanger]: { A: ["127.0.0.1"] } },
    });
    assert.deepEqual(short(await remote.deliver(delivery())), [expected], name);
  }
});

test("a route logs in before it sends", async (context) => {
  if (!need(context, "openssl")) return;
  const keys = identity(context, "x");
  const offering = (auth: string): Script => ({
    EHLO: ["250-sink.example", "250-STARTTLS", `250 ${auth}`],
    keys,
  });
  const over = { tls: "require", user: "us", password: "pa ss" } as const;
  const plain = await attempt(context, { script: offering("AUTH LOGIN PLAIN"), over });
  assert.equal(plain.outcome, "delivered");
  assert.ok(plain.sink.heard.includes(`AUTH PLAIN ${Buffer.from("\0us\0pa ss").toString("base64")}`));
  const steps: Script = {
    AUTH: "334 VXNlcm5hbWU6",
    other: (_, n) => (n === 0 ? "334 UGFzc3dvcmQ6" : "235 ok"),
  };
  const login = await attempt(context, { script: { ...offering("AUTH LOGIN"), ...steps }, over });
  assert.equal(login.outcome, "delivered");
  assert.deepEqual(
    login.sink.heard.slice(5, 8),
    ["AUTH LOGIN", "us", "pa ss"].map((line, at) => (at === 0 ? line : Buffer.from(line).toString("base64"))),
  );
  const wrong = await attempt(context, {
    script: { ...offering("AUTH PLAIN"), AUTH: "535 5.7.8 no" },
    over,
  });
  assert.equal(wrong.outcome, "deferred 4.7.8");
  const unknown = await attempt(context, { script: offering("AUTH GSSAPI"), over });
  assert.equal(unknown.outcome, "deferred 4.7.8");
  for (const each of [plain, login, wrong, unknown]) {
    assert.doesNotMatch(each.lines.join("\n") + each.text, /pa ss|cGEgc3M|AHVzAHBh/);
    assert.equal(each.sink.messages.length, each.outcome === "delivered" ? 1 : 0);
  }
});

test("LMTP has an outcome for each recipient, in one transaction", async (context) => {
  const script: Script = {
    RCPT: (line) => (line.includes("<bob@") ? "550 5.1.1 no such user" : undefined),
    end: ["250 2.1.5 in the box", "452 4.2.2 full"],
  };
  const routes: RouteSlice[] = [];
  const { remote, sink } = await world(context, [script], {
    routes,
    zones: { "relay.test": { A: ["127.0.0.1"] } },
  });
  routes.push(route({ host: `relay.test:${sink.port}`, protocol: "lmtp" }));
  const names = ["ann@d.test", "bob@d.test", "cid@d.test"];
  const done = await remote.deliver(delivery(names));
  assert.deepEqual(short(done), ["delivered", "failed 5.1.1", "deferred 4.2.2"]);
  assert.equal(sink.heard[1], "LHLO out.test");
  sink.script({ end: ["250 one", "250 two", "250 three"] });
  assert.deepEqual(short(await remote.deliver(delivery(names))), ["delivered", "delivered", "delivered"]);
  assert.equal(sink.connections, 1);
  // the second answer never comes
  sink.script({ end: { say: "250 one", hangUp: true } });
  assert.deepEqual(short(await remote.deliver(delivery(names))), [
    "delivered",
    "deferred 4.4.2",
    "deferred 4.4.2",
  ]);
});

test("LMTP by a socket of this machine, by no other protocol when that is not known", async (context) => {
  const path = `${temporaryDirectory(context)}/lmtp`;
  const sink = await startSink({ path, LHLO: ["250-out.test", "250 PIPELINING"] });
  context.after(() => sink.stop());
  const { remote } = await world(context, ["absent"], {
    routes: [route({ host: `unix:${path}`, protocol: "lmtp" })],
  });
  assert.deepEqual(short(await remote.deliver(delivery())), ["delivered"]);
  sink.script({ LHLO: "500 what?" });
  const { remote: other } = await world(context, ["absent"], {
    routes: [route({ host: `unix:${path}`, protocol: "lmtp" })],
  });
  assert.deepEqual(short(await other.deliver(delivery())), ["deferred 4.3.2"]);
  assert.ok(!sink.heard.some((line) => line.startsWith("HELO")));
});
