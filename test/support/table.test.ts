// The table answers as the real resolver does that asks the zone server with the same data.

import assert from "node:assert/strict";
import test from "node:test";
import { NetworkResolver, type Resolver } from "#sys/resolver.ts";
import { FakeClock } from "./clock.ts";
import { TableResolver } from "./table.ts";
import { startZone, type Zones } from "./zone.ts";

const zones: Zones = {
  "example.org": { MX: ["10 mx.example.org", "0 ."], A: ["192.0.2.1"], TXT: ["one", ["a", "b"]] },
  "mx.example.org": { A: ["192.0.2.1", "192.0.2.2"], AAAA: ["2001:db8::1"] },
  "alias.example.org": { CNAME: "MX.example.org" },
  "loop.example.org": { CNAME: "loop.example.org" },
  "fail.example.org": "servfail",
  "1.2.0.192.in-addr.arpa": { PTR: ["mx.example.org"] },
  "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": { PTR: ["v6.example.org"] },
};

const questions: readonly ((resolver: Resolver) => Promise<unknown>)[] = [
  (r) => r.mx("example.org"),
  (r) => r.mx("EXAMPLE.org."),
  (r) => r.mx("nothing.example.org"),
  (r) => r.a("mx.example.org"),
  (r) => r.a("alias.example.org"),
  (r) => r.a("192.0.2.1"),
  (r) => r.aaaa("mx.example.org"),
  (r) => r.aaaa("example.org"),
  (r) => r.addresses("mx.example.org"),
  (r) => r.addresses("192.0.2.9"),
  (r) => r.addresses("nothing.example.org"),
  (r) => r.ptr("192.0.2.1"),
  (r) => r.ptr("2001:db8::1"),
  (r) => r.ptr("192.0.2.2"),
  (r) => r.ptr("example.org"),
  (r) => r.txt("example.org"),
];

test("the table and the network give the same answers", async (context) => {
  const zone = await startZone(zones);
  context.after(() => zone.close());
  const real = new NetworkResolver({ servers: [zone.server], clock: new FakeClock(), timeout: 500 });
  const table = new TableResolver(zones);
  for (const [at, ask] of questions.entries())
    assert.deepEqual(await ask(table), await ask(real), `question ${at}`);
  for (const name of ["loop.example.org", "fail.example.org"]) {
    assert.equal((await table.a(name)).kind, "later");
    assert.equal((await real.a(name)).kind, "later");
  }
});
