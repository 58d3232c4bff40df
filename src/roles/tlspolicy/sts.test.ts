import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import test, { type TestContext } from "node:test";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import { Logger } from "#log/logger.ts";
import { PolicyFiles } from "#store/policies.ts";
import { realDisk } from "#sys/disk.ts";
import type { HttpsResponse } from "#sys/https.ts";
import { FakeClock } from "#test/support/clock.ts";
import { TableResolver } from "#test/support/table.ts";
import { temporaryDirectory } from "#test/support/temporary.ts";
import type { Zones } from "#test/support/zone.ts";
import { StsPolicies } from "./sts.ts";

const DAY = 86_400_000;

const zones = (id: string): Zones => ({
  "_mta-sts.d.test": { TXT: [`v=STSv1; id=${id};`] },
  "mta-sts.d.test": { A: ["192.0.2.1"] },
});

const text = (mode: string, maxAge = 604_800, mx = "mx.d.test"): HttpsResponse => ({
  status: 200,
  type: "text/plain",
  body: Buffer.from(`version: STSv1\r\nmode: ${mode}\r\nmx: ${mx}\r\nmax_age: ${maxAge}\r\n`),
});

interface Site {
  readonly clock: FakeClock;
  readonly resolver: TableResolver;
  readonly directory: string;
  readonly lines: string[];
  /** What the next requests get. */
  answer: HttpsResponse | "fails";
  requests: number;
  /** What is reported. */
  readonly told: string[];
  /** A role started now, with what is on the disk. */
  start(): Promise<StsPolicies>;
}

function site(context: TestContext): Site {
  const clock = new FakeClock();
  const lines: string[] = [];
  const here: Site = {
    clock,
    resolver: new TableResolver(zones("1")),
    directory: `${temporaryDirectory(context)}/sts`,
    lines,
    answer: text("enforce"),
    requests: 0,
    told: [],
    start: async () =>
      new StsPolicies({
        clock,
        log: new Logger({ role: "tlspolicy", clock, level: "info", sink: (line) => void lines.push(line) }),
        files: await PolicyFiles.open(realDisk, here.directory),
        resolver: here.resolver,
        request: async ({ host, path, addresses, port }) => {
          assert.deepEqual(
            [host, path, addresses, port],
            ["mta-sts.d.test", "/.well-known/mta-sts.txt", ["192.0.2.1"], 443],
          );
          here.requests++;
          if (here.answer === "fails") throw new Trouble("fetch", "Cannot fetch");
          return here.answer;
        },
        port: 443,
        authorities: "",
        tell: ({ domain, failure }) => void here.told.push(`${domain} ${failure?.result}`),
      }),
  };
  return here;
}

const enforced = { kind: "sts", mode: "enforce", mx: ["mx.d.test"] } as const;
const none = { kind: "none" } as const;

test("a policy is fetched once, kept over a restart, and holds while nothing new is to be had", async (context) => {
  const here = site(context);
  const first = await here.start();
  const asked = await Promise.all([first.policyOf("d.test"), first.policyOf("D.test.")]);
  assert.deepEqual(asked, [enforced, enforced]);
  assert.equal(here.requests, 1);
  assert.match(here.lines[0] ?? "", / sts_policy domain=d\.test mode=enforce mx=mx\.d\.test max_age=604800$/);
  const again = await here.start();
  here.answer = "fails";
  assert.deepEqual(await again.policyOf("d.test"), enforced);
  assert.equal(here.requests, 1);
  // its record changes, its host is away; an attacker can do as much
  here.resolver.zones = zones("2");
  assert.deepEqual(await again.policyOf("d.test"), enforced);
  here.resolver.zones = {};
  assert.deepEqual(await again.policyOf("d.test"), enforced);
  here.resolver.zones = { "_mta-sts.d.test": "servfail" };
  assert.deepEqual(await again.policyOf("d.test"), enforced);
  await here.clock.advance(7 * DAY);
  assert.deepEqual(await again.policyOf("d.test"), none, "it is over");
  await again.lookOver();
  assert.deepEqual(readdirSync(here.directory), []);
});

test("a new id brings the new policy", async (context) => {
  const here = site(context);
  const policies = await here.start();
  await policies.policyOf("d.test");
  here.resolver.zones = zones("2");
  here.answer = text("testing", 100, "*.d.test");
  assert.deepEqual(await policies.policyOf("d.test"), { kind: "sts", mode: "testing", mx: ["*.d.test"] });
  here.resolver.zones = zones("3");
  here.answer = text("none");
  assert.deepEqual(await policies.policyOf("d.test"), none);
  assert.deepEqual(await (await here.start()).policyOf("d.test"), none);
  assert.equal(here.requests, 3);
});

test("what is no policy does not hold, and is not asked for again at once", async (context) => {
  const rows: readonly [what: string, answer: HttpsResponse | "fails"][] = [
    ["no answer", "fails"],
    ["not found", { ...text("enforce"), status: 404 }],
    ["moved", { ...text("enforce"), status: 301 }],
    ["other success", { ...text("enforce"), status: 204 }],
    ["HTML", { ...text("enforce"), type: "text/html" }],
    ["no type", { ...text("enforce"), type: "" }],
    ["garbage", { ...text("enforce"), body: Buffer.from("\0\xff") }],
  ];
  for (const [what, answer] of rows) {
    const here = site(context);
    here.answer = answer;
    const policies = await here.start();
    assert.deepEqual(await policies.policyOf("d.test"), none, what);
    assert.deepEqual(await policies.policyOf("d.test"), none, what);
    assert.equal(here.requests, 1, what);
    assert.deepEqual(
      here.told,
      [`d.test sts-policy-${what === "garbage" ? "invalid" : "fetch-error"}`],
      what,
    );
    assert.match(here.lines[0] ?? "", / sts_unknown domain=d\.test /, what);
    here.answer = text("enforce");
    await here.clock.advance(limits.sts.retry + 1);
    assert.deepEqual(await policies.policyOf("d.test"), enforced, what);
  }
});

test("policies are fetched again before they are over, without any mail", async (context) => {
  const here = site(context);
  const policies = await here.start();
  await policies.policyOf("d.test");
  await policies.lookOver();
  assert.equal(here.requests, 1);
  for (let day = 1; day <= 30; day++) {
    await here.clock.advance(DAY + 1);
    await policies.lookOver();
  }
  assert.equal(here.requests, 31);
  here.answer = "fails";
  await here.clock.advance(3 * DAY);
  await policies.lookOver();
  here.resolver.zones = {};
  assert.deepEqual(await policies.policyOf("d.test"), enforced);
});

test("domains without a record are asked nothing, and names that are none are not even looked up", async (context) => {
  const here = site(context);
  const policies = await here.start();
  for (const domain of ["other.test", "", "../x", "a/b.test", "x".repeat(300), "[192.0.2.1]"])
    assert.deepEqual(await policies.policyOf(domain), none, domain);
  assert.equal(here.requests, 0);
  assert.deepEqual(here.resolver.asked, ["TXT _mta-sts.other.test"]);
});

test("files that cannot be read are removed", async (context) => {
  const here = site(context);
  await (await here.start()).policyOf("d.test");
  for (const [name, bytes] of [
    ["torn.test", '{"id":"1"'],
    ["+d.test", "{}"],
    ["odd name", "{}"],
  ] as const)
    writeFileSync(`${here.directory}/${name}`, bytes);
  const policies = await here.start();
  assert.deepEqual(readdirSync(here.directory), ["d.test"]);
  assert.deepEqual(await policies.policyOf("d.test"), enforced);
  assert.equal(here.requests, 1);
});
