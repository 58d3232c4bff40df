// TLS-RPT through the whole server: connections are counted on disk, and what was counted the other day is mailed to who asks for it.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import test from "node:test";
import { gunzipSync } from "node:zlib";
import { EHLO, EHLO_TLS, startSink } from "../support/smtpsink.ts";
import { submit } from "../support/submit.ts";
import { eventually, World } from "../support/world.ts";
import { startZone } from "../support/zone.ts";

const DAY = 86_400_000;
const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

test("connections are counted, and a report on them goes out by mail", async (context) => {
  const sink = await startSink({ EHLO: EHLO_TLS });
  context.after(() => sink.stop());
  const zone = await startZone({
    "d.test": { MX: ["10 mx.d.test"] },
    "mx.d.test": { A: ["127.0.0.1"] },
    "_smtp._tls.d.test": { TXT: ["v=TLSRPTv1; rua=mailto:tls@d.test"] },
  });
  context.after(() => zone.close());
  const world = await World.start(context, (toml) =>
    toml
      .replace(/^servers = .*$/m, `servers = ["${zone.server}"]`)
      .replace(/^tls_reports = .*$/m, 'tls_reports = "reports@a.test"')
      .replace(/(\[remote\][\s\S]*?)^port = .*$/m, `$1port = ${sink.port}`),
  );
  const begun = Date.now();
  const message = ["MAIL FROM:<ann@a.test>", "RCPT TO:<x@d.test>", "DATA", "Subject: x\r\n\r\nx\r\n."];
  await submit(world, message);
  await eventually(() => sink.messages.length === 1);
  sink.script({ EHLO });
  // past the connection that waits for more
  await new Promise((resolve) => setTimeout(resolve, 6000));
  await submit(world, message);
  await eventually(() => sink.messages.length === 2);
  await world.stop();
  const directory = path.join(world.dir, "policies/tlsrpt");
  const [today = ""] = fs.readdirSync(directory);
  assert.ok([day(begun), day(Date.now())].includes(today));
  const bytes = fs.readFileSync(path.join(directory, today), "utf8");
  assert.deepEqual(JSON.parse(bytes), [
    {
      domain: "d.test",
      results: [
        {
          policy: { type: "no-policy-found", strings: [], mx: [] },
          successes: 1,
          failures: 1,
          details: [{ result: "starttls-not-supported", host: "mx.d.test", address: "127.0.0.1", count: 1 }],
        },
      ],
    },
  ]);
  // two days ago, so that it is due at any time of the day
  fs.writeFileSync(path.join(directory, day(Date.now() - 2 * DAY)), bytes, { mode: 0o644 });
  await world.up();
  const report = await eventually(() => sink.messages[2]);
  assert.match(report.mail, /^MAIL FROM:<reports@a\.test>/);
  assert.deepEqual(report.rcpts, ["RCPT TO:<tls@d.test>"]);
  const [, encoded = ""] = /json\.gz"\r\n\r\n([\s\S]*?)--report-/.exec(report.raw) ?? [];
  const found = JSON.parse(gunzipSync(Buffer.from(encoded, "base64")).toString());
  assert.equal(found["organization-name"], "mail.a.test");
  assert.equal(found.policies[0].summary["total-failure-session-count"], 1);
  await eventually(() => !fs.existsSync(path.join(directory, day(Date.now() - 2 * DAY))));
});
