// A report on TLS to the servers of a domain (RFC 8460 §4), as JSON and as the message that carries it (§5.3).

import { gzipSync } from "node:zlib";
import { formatDate } from "./rfcdate.ts";
import type { FailureDetail, PolicyFound } from "./tlsresult.ts";

export interface PolicyResults {
  readonly policy: PolicyFound;
  readonly successes: number;
  readonly failures: number;
  readonly details: readonly FailureDetail[];
}

export interface TlsReport {
  /** The domain of the recipients. */
  readonly domain: string;
  /** Who reports: our name, and an address. */
  readonly submitter: string;
  readonly contact: string;
  readonly id: string;
  /** ms since 1970, of a whole day in UTC. */
  readonly start: number;
  readonly end: number;
  readonly results: readonly PolicyResults[];
}

const time = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");

/** The report as JSON (RFC 8460 §4.4), compressed (§5.2). */
export function formatReport(report: TlsReport): Buffer {
  const { submitter, contact, id, start, end, domain, results } = report;
  const json = {
    "organization-name": submitter,
    "date-range": { "start-datetime": time(start), "end-datetime": time(end - 1000) },
    "contact-info": contact,
    "report-id": id,
    policies: results.map(({ policy, successes, failures, details }) => ({
      policy: {
        "policy-type": policy.type,
        ...(policy.strings.length > 0 ? { "policy-string": policy.strings } : {}),
        "policy-domain": domain,
        ...(policy.mx.length > 0 ? { "mx-host": policy.mx } : {}),
      },
      summary: { "total-successful-session-count": successes, "total-failure-session-count": failures },
      ...(details.length > 0 ? { "failure-details": details.map(formatDetail) } : {}),
    })),
  };
  return gzipSync(JSON.stringify(json));
}

const formatDetail = ({ result, host, address, count }: FailureDetail) => ({
  "result-type": result,
  ...(host === "" ? {} : { "receiving-mx-hostname": host }),
  ...(address === "" ? {} : { "receiving-ip": address }),
  "failed-session-count": count,
});

/** RFC 8460 §5.1. */
export const reportName = ({ submitter, domain, start, end, id }: TlsReport): string =>
  `${submitter}!${domain}!${start / 1000}!${end / 1000 - 1}!${id}.json.gz`;

/** RFC 8460 §5.2: the media type of a compressed report. */
export const REPORT_TYPE = "application/tlsrpt+gzip";

/** The message that carries a report (RFC 8460 §5.3), from its contact to these addresses, with CRLF. */
export function formatReportMail(report: TlsReport, to: readonly string[], now: number): string {
  const { domain, submitter, contact, id } = report;
  const boundary = `report-${id}`;
  const name = reportName(report);
  const body = formatReport(report)
    .toString("base64")
    .replaceAll(/.{1,76}/g, "$&\r\n");
  return [
    `From: <${contact}>`,
    ...to.map((each, at) => `${at === 0 ? "To: " : "\t"}<${each}>${at === to.length - 1 ? "" : ","}`),
    `Date: ${formatDate(now)}`,
    `Message-ID: <${id}@${submitter}>`,
    `Subject: Report Domain: ${domain}\r\n Submitter: ${submitter}\r\n Report-ID: <${id}@${submitter}>`,
    `TLS-Report-Domain: ${domain}`,
    `TLS-Report-Submitter: ${submitter}`,
    "Auto-Submitted: auto-generated",
    "MIME-Version: 1.0",
    `Content-Type: multipart/report; report-type="tlsrpt";\r\n\tboundary="${boundary}"`,
    "",
    `--${boundary}`,
    "Content-Type: text/plain; charset=us-ascii",
    "",
    `This is a report on TLS connections from ${submitter} to the mail`,
    `servers of ${domain} on ${time(report.start).slice(0, 10)} (UTC).`,
    "",
    `--${boundary}`,
    `Content-Type: ${REPORT_TYPE}`,
    "Content-Transfer-Encoding: base64",
    `Content-Disposition: attachment;\r\n\tfilename="${name}"`,
    "",
    `${body}--${boundary}--`,
    "",
  ].join("\r\n");
}
