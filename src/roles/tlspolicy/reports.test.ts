import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import test, { type TestContext } from "node:test";
import { gunzipSync } from "node:zlib";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import { Logger } from "#log/logger.ts";
import { TlsResults } from "#store/tlsresults.ts";
import { realDisk } from "#sys/disk.ts";
import type { HttpsRequest } from "#sys/https.ts";
import { FakeClock } from "#test/support/clock.ts";
import { TableResolver } from "#test/support/table.ts";
import { temporaryDirectory } from "#test/support/temporary.ts";
import type { TlsResult } from "#wire/message/tlsresult.ts";
import { Reports } from "./reports.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

interface Site {
  readonly clock: FakeClock;
  readonly resolver: TableResolver;
  readonly directory: string;
  readonly mails: { readonly to: readonly string[]; readonly text: string }[];
  readonly posts: HttpsRequest[];
  status: number;
  full: boolean;
  from: string;
  start(): Promise<Reports>;
}

function site(context: TestContext): Site {
  // 1 January 2026, noon
  const clock = new FakeClock(Date.UTC(2026, 0, 1, 12));
  const here: Site = {
    clock,
    resolver: new TableResolver({ "_smtp._tls.d.test": { TXT: ["v=TLSRPTv1; rua=mailto:tls@d.test"] } }),
    directory: `${temporaryDirectory(context)}/tlsrpt`,
    mails: [],
    posts: [],
    status: 201,
    full: false,
    from: "reports@a.test",
    start: async () =>
      new Reports({
        clock,
        log: new Logger({ role: "tlspolicy", clock, level: "info", sink: () => {} }),
        results: await TlsResults.open(realDisk, here.directory),
        resolver: here.resolver,
        request: async (request) => {
          here.posts.push(request);
          return { status: here.status, type: "", body: Buffer.alloc(0) };
        },
        send: async (from, to, text) => {
          if (here.full) throw new Trouble("inject", "No room for mail now");
          assert.equal(from, here.from);
          here.mails.push({ to, text });
        },
        hostname: "mail.a.test",
        from: here.from,
        authorities: "",
      }),
  };
  return here;
}

const well: TlsResult = { domain: "d.test", policy: { type: "no-policy-found", strings: [], mx: [] } };
const ill: TlsResult = {
  domain: "D.test",
  policy: { type: "tlsa", strings: ["3 1 1 ab"], mx: [] },
  failure: { result: "validation-failure", host: "mx.d.test", address: "192.0.2.1" },
};

/** What a mail reports. */
function policiesIn(text: string) {
  const [, encoded = ""] = /json\.gz"\r\n\r\n([\s\S]*?)--report-/.exec(text) ?? [];
  return JSON.parse(gunzipSync(Buffer.from(encoded, "base64")).toString()).policies as readonly {
    readonly summary: Readonly<Record<string, number>>;
    readonly policy: Readonly<Record<string, unknown>>;
    readonly "failure-details"?: readonly Readonly<Record<string, unknown>>[];
  }[];
}

test("a day is counted, kept over a restart and reported once, on the next one", async (context) => {
  const here = site(context);
  const first = await here.start();
  for (const result of [well, well, ill, ill, { ...well, domain: "silent.test" }]) first.note(result);
  await first.lookOver();
  assert.equal(here.mails.length, 0);
  const again = await here.start();
  again.note(ill);
  await here.clock.advance(12 * HOUR + limits.tlsrpt.spread);
  again.note(well);
  await again.lookOver();
  await again.lookOver();
  assert.equal(here.mails.length, 1);
  assert.deepEqual(here.mails[0]?.to, ["tls@d.test"]);
  const found = policiesIn(here.mails[0]?.text ?? "");
  assert.deepEqual(
    found.map(({ policy, summary }) => [policy["policy-type"], ...Object.values(summary)]),
    [
      ["no-policy-found", 2, 0],
      ["tlsa", 0, 3],
    ],
  );
  assert.equal(found[1]?.["failure-details"]?.[0]?.["failed-session-count"], 3);
  assert.deepEqual(readdirSync(here.directory), ["2026-01-02"]);
});

test("HTTPS comes before mail, and mail when it does not work", async (context) => {
  const rua = "v=TLSRPTv1; rua=mailto:tls@d.test,https://r.test:8443/in?x=1";
  for (const [status, mails] of [
    [201, 0],
    [500, 1],
  ] as const) {
    const here = site(context);
    here.status = status;
    here.resolver.zones = { "_smtp._tls.d.test": { TXT: [rua] }, "r.test": { A: ["192.0.2.9"] } };
    const reports = await here.start();
    reports.note(well);
    await here.clock.advance(DAY);
    await reports.lookOver();
    assert.equal(here.mails.length, mails);
    const [
      { host, port, path, addresses, body } = { host: "", port: 0, path: "", addresses: [], body: undefined },
    ] = here.posts;
    assert.deepEqual([host, port, path, addresses], ["r.test", 8443, "/in?x=1", ["192.0.2.9"]]);
    assert.equal(body?.type, "application/tlsrpt+gzip");
    assert.match(gunzipSync(body?.bytes ?? "").toString(), /"policy-domain":"d\.test"/);
  }
});

test("what cannot be reported is tried again, and given up a day later", async (context) => {
  const here = site(context);
  here.full = true;
  const reports = await here.start();
  reports.note(well);
  await here.clock.advance(DAY);
  await reports.lookOver();
  here.full = false;
  await reports.lookOver();
  assert.equal(here.mails.length, 1);
  here.full = true;
  reports.note(well);
  await here.clock.advance(DAY);
  await reports.lookOver();
  assert.deepEqual(readdirSync(here.directory), ["2026-01-02"]);
  await here.clock.advance(DAY);
  await reports.lookOver();
  assert.deepEqual([here.mails.length, readdirSync(here.directory)], [1, []]);
});

test("nothing is kept without an address, and what is kept is bounded", async (context) => {
  const here = site(context);
  here.from = "";
  const none = await here.start();
  none.note(well);
  await none.lookOver();
  assert.deepEqual(readdirSync(here.directory), []);
  here.from = "reports@a.test";
  const reports = await here.start();
  for (let at = 0; at < 200; at++)
    reports.note({ ...ill, failure: { result: "validation-failure", host: `mx${at}.d.test`, address: "" } });
  for (let at = 0; at < 20; at++)
    reports.note({ ...well, policy: { type: "sts", strings: [String(at)], mx: [] } });
  await here.clock.advance(DAY);
  await reports.lookOver();
  const found = policiesIn(here.mails[0]?.text ?? "");
  assert.equal(found.length, limits.tlsrpt.policies);
  assert.equal(found[0]?.summary["total-failure-session-count"], 200);
  assert.equal(found[0]?.["failure-details"]?.length, limits.tlsrpt.details);
});

test("files of results that cannot be read are removed", async (context) => {
  const here = site(context);
  const reports = await here.start();
  reports.note(well);
  await reports.lookOver();
  for (const name of ["2025-01-01", "2026-01-01+", "odd"]) writeFileSync(`${here.directory}/${name}`, "[{");
  await here.start();
  assert.deepEqual(readdirSync(here.directory), ["2026-01-01"]);
});
