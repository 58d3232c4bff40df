import assert from "node:assert/strict";
import test from "node:test";
import { gunzipSync } from "node:zlib";
import { reportTargets } from "../records/tlsrpt.ts";
import { formatReport, formatReportMail, reportName, type TlsReport } from "./tlsreport.ts";

const report: TlsReport = {
  domain: "d.test",
  submitter: "mail.a.test",
  contact: "tls@a.test",
  id: "2026-01-01.abc",
  start: Date.UTC(2026, 0, 1),
  end: Date.UTC(2026, 0, 2),
  results: [
    {
      policy: { type: "sts", strings: ["version: STSv1", "mode: enforce"], mx: ["mx.d.test"] },
      successes: 3,
      failures: 2,
      details: [{ result: "certificate-expired", host: "mx.d.test", address: "192.0.2.1", count: 2 }],
    },
    { policy: { type: "no-policy-found", strings: [], mx: [] }, successes: 1, failures: 0, details: [] },
  ],
};

test("formatReport() is the JSON of RFC 8460 §4.4", () => {
  assert.deepEqual(JSON.parse(gunzipSync(formatReport(report)).toString()), {
    "organization-name": "mail.a.test",
    "date-range": { "start-datetime": "2026-01-01T00:00:00Z", "end-datetime": "2026-01-01T23:59:59Z" },
    "contact-info": "tls@a.test",
    "report-id": "2026-01-01.abc",
    policies: [
      {
        policy: {
          "policy-type": "sts",
          "policy-string": ["version: STSv1", "mode: enforce"],
          "policy-domain": "d.test",
          "mx-host": ["mx.d.test"],
        },
        summary: { "total-successful-session-count": 3, "total-failure-session-count": 2 },
        "failure-details": [
          {
            "result-type": "certificate-expired",
            "receiving-mx-hostname": "mx.d.test",
            "receiving-ip": "192.0.2.1",
            "failed-session-count": 2,
          },
        ],
      },
      {
        policy: { "policy-type": "no-policy-found", "policy-domain": "d.test" },
        summary: { "total-successful-session-count": 1, "total-failure-session-count": 0 },
      },
    ],
  });
  assert.equal(reportName(report), "mail.a.test!d.test!1767225600!1767311999!2026-01-01.abc.json.gz");
});

test("formatReportMail() is a multipart/report with the report in it", () => {
  const text = formatReportMail(report, ["a@d.test", "b@e.test"], Date.UTC(2026, 0, 2, 1));
  assert.match(
    text,
    /^From: <tls@a\.test>\r\nTo: <a@d\.test>,\r\n\t<b@e\.test>\r\nDate: Fri, 02 Jan 2026 01:00:00 /,
  );
  assert.match(
    text,
    /\r\nSubject: Report Domain: d\.test\r\n Submitter: mail\.a\.test\r\n Report-ID: <2026-01-01\.abc@mail\.a\.test>\r\n/,
  );
  assert.match(text, /\r\nTLS-Report-Domain: d\.test\r\nTLS-Report-Submitter: mail\.a\.test\r\n/);
  const [, encoded = ""] = /json\.gz"\r\n\r\n([\s\S]*?)--report-/.exec(text) ?? [];
  assert.deepEqual(gunzipSync(Buffer.from(encoded, "base64")), gunzipSync(formatReport(report)));
  assert.ok(text.split("\r\n").every((line) => line.length < 100 && !/[\r\n]/.test(line)));
});

test("reportTargets() reads one record", () => {
  const rows: readonly [records: string[], mailto: string[] | undefined, https: string[]][] = [
    [["v=TLSRPTv1; rua=mailto:a@d.test"], ["a@d.test"], []],
    [["v=TLSRPTv1;rua=mailto:a%2Bx@d.test,https://d.test/v1/tls"], ["a+x@d.test"], ["https://d.test/v1/tls"]],
    [["v=TLSRPTv1; rua=mailto:a@d.test!10m"], undefined, []],
    [["v=TLSRPTv1; rua=mailto:%0d%0aX@d.test"], undefined, []],
    [["v=TLSRPTv1; rua=mailto:%zz@d.test"], undefined, []],
    [["v=TLSRPTv1; rua=http://d.test/"], undefined, []],
    [["v=TLSRPTv1; rua="], undefined, []],
    [["v=TLSRPTv1;"], undefined, []],
    [["v=TLSRPTv2; rua=mailto:a@d.test"], undefined, []],
    [["v=TLSRPTv1; rua=mailto:a@d.test", "v=TLSRPTv1; rua=mailto:b@d.test"], undefined, []],
    [["other", "v=TLSRPTv1; rua=mailto:a@d.test?subject=x"], ["a@d.test"], []],
  ];
  for (const [records, mailto, https] of rows) {
    const found = reportTargets(records);
    assert.deepEqual(found?.mailto, mailto, records.join());
    assert.deepEqual(found?.https.map(({ href }) => href) ?? [], https, records.join());
  }
});
