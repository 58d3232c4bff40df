// Reports on TLS to other servers (RFC 8460): for each domain that wants them one a day, of the day before.

import { createHash, randomBytes } from "node:crypto";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf, Trouble } from "#base/problem.ts";
import type { Logger } from "#log/logger.ts";
import { dayOf, type TlsResults } from "#store/tlsresults.ts";
import type { HttpsRequest, HttpsResponse } from "#sys/https.ts";
import type { Resolver } from "#sys/resolver.ts";
import { formatReport, formatReportMail, REPORT_TYPE, type TlsReport } from "#wire/message/tlsreport.ts";
import type { TlsResult } from "#wire/message/tlsresult.ts";
import { type ReportTargets, reportTargets, tlsrptName } from "#wire/records/tlsrpt.ts";

export interface ReportOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly results: TlsResults;
  readonly resolver: Resolver;
  readonly request: (request: HttpsRequest) => Promise<HttpsResponse>;
  /** Puts a message into the queue. Trouble when it does not take it. */
  readonly send: (from: string, to: readonly string[], message: string) => Promise<void>;
  readonly hostname: string;
  /** Address in reports, from which they come; "": there are none. */
  readonly from: string;
  /** PEM of the authorities that are believed; "": the public ones. */
  readonly authorities: string;
}

const DAY = 86_400_000;

export class Reports {
  options: ReportOptions;

  constructor(options: ReportOptions) {
    this.options = options;
  }

  note(result: TlsResult): void {
    const { results, clock, from } = this.options;
    if (from !== "") results.add({ ...result, domain: result.domain.toLowerCase() }, clock.now());
  }

  /** Sends what is due: days that are over, some time into the next one, which is another for each site (RFC 8460 §4.1 wants no crowd at midnight). */
  async lookOver(): Promise<void> {
    const { clock, results, hostname, from } = this.options;
    const now = clock.now();
    await results.flush();
    const delay = createHash("sha256").update(hostname).digest().readUInt32BE(0) % limits.tlsrpt.spread;
    if (now % DAY < delay && results.daysBefore(now).at(-1) === dayOf(now - DAY)) return;
    for (const day of results.daysBefore(now)) {
      const over = Date.parse(`${day}T00:00:00Z`) + DAY;
      for (const domain of [...results.of(day).keys()]) {
        // RFC 8460 §5.4: tried for a day, then given up
        if (from === "" || (await this.#report(day, domain)) || now > over + DAY) results.forget(day, domain);
      }
      if (results.of(day).size === 0) await results.drop(day);
    }
    await results.flush();
  }

  /** Whether a domain is done with: it wants no report, or has it. */
  async #report(day: string, domain: string): Promise<boolean> {
    const { log, resolver, results, hostname, from } = this.options;
    const record = await resolver.txt(tlsrptName(domain));
    if (record.kind === "later") return false;
    const targets = record.kind === "found" ? reportTargets(record.records) : undefined;
    if (!targets) return true;
    const start = Date.parse(`${day}T00:00:00Z`);
    const report: TlsReport = {
      domain,
      submitter: hostname,
      contact: from,
      id: `${day}.${randomBytes(9).toString("base64url")}`,
      start,
      end: start + DAY,
      results: results.of(day).get(domain) ?? [],
    };
    try {
      const to = await this.#deliver(report, targets);
      log.event("tls_report", { domain, day, to });
      return true;
    } catch (thrown) {
      log.event("trouble", { text: `Cannot report to ${domain}: ${messageOf(thrown)}` });
      return false;
    }
  }

  /** By HTTPS where that is wanted and works, else by mail. */
  async #deliver(report: TlsReport, { https, mailto }: ReportTargets): Promise<string> {
    let last: unknown = new Trouble("report", "Cannot report: nobody took it");
    for (const url of https) {
      try {
        await this.#post(report, url);
        return url.href;
      } catch (thrown) {
        last = thrown;
      }
    }
    if (mailto.length === 0) throw last;
    await this.options.send(
      report.contact,
      mailto,
      formatReportMail(report, mailto, this.options.clock.now()),
    );
    return mailto.join(",");
  }

  async #post(report: TlsReport, url: URL): Promise<void> {
    const { resolver, request, authorities } = this.options;
    const found = await resolver.addresses(url.hostname);
    const { status } = await request({
      host: url.hostname,
      addresses: found.kind === "found" ? found.records.slice(0, 4) : [],
      port: Number(url.port || 443),
      path: `${url.pathname}${url.search}`,
      body: { type: REPORT_TYPE, bytes: formatReport(report) },
      authorities,
      bytes: limits.sts.policyBytes,
      time: limits.sts.fetch,
    });
    if (status < 200 || status > 299) throw new Trouble("report", `${url.hostname} answers ${status}`);
  }
}
