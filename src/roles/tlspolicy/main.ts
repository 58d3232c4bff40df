// tlspolicy: knows what other domains publish about TLS to their servers (MTA-STS), so that remote need not speak HTTPS, and tells them
// how it went (TLS-RPT).

import { repeat } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf, Trouble } from "#base/problem.ts";
import type { SliceOf } from "#config/slice.ts";
import { PolicyFiles } from "#store/policies.ts";
import { TlsResults } from "#store/tlsresults.ts";
import { looseDisk } from "#sys/disk.ts";
import type { HttpsRequest, HttpsResponse } from "#sys/https.ts";
import { NetworkResolver } from "#sys/resolver.ts";
import { answerVerbs, on } from "#talk/answerer.ts";
import { Injector } from "#talk/inject.ts";
import { stsPolicy, tlsResult } from "#talk/tlspolicy.ts";
import type { Start } from "../boot.ts";
import { type ReportOptions, Reports } from "./reports.ts";
import { type StsOptions, StsPolicies } from "./sts.ts";

/** Below the data directory. */
const POLICIES = "policies/sts";
/** Of a message, in one frame. */
const CHUNK = 64 * 1024;
const RESULTS = "policies/tlsrpt";

/** Loaded when it is first needed: Node's part of it takes 4 MB. */
async function request(wanted: HttpsRequest): Promise<HttpsResponse> {
  const { requestHttps } = await import("#sys/https.ts");
  return requestHttps(wanted);
}

export const start: Start<"tlspolicy"> = async ({ slice, clock, log, answers, socketOf }) => {
  const injector = new Injector(socketOf("queue"), clock);
  const results = await TlsResults.open(looseDisk, RESULTS);
  const files = await PolicyFiles.open(looseDisk, POLICIES);
  // one resolver for both: what it has heard serves either
  const optionsOf = (now: SliceOf<"tlspolicy">): { sts: StsOptions; reports: ReportOptions } => {
    const resolver = new NetworkResolver({ servers: now.dnsServers, clock });
    const common = { clock, log, resolver, request, authorities: now.authorities };
    return {
      reports: {
        ...common,
        results,
        send: (from, to, message) => inject(injector, from, to, message),
        hostname: now.hostname,
        from: now.reporter,
      },
      sts: { ...common, files, port: now.port, tell: (result) => reports.note(result) },
    };
  };
  const options = optionsOf(slice);
  const reports = new Reports(options.reports);
  const policies = new StsPolicies(options.sts);
  const answering = await answerVerbs(
    answers("remote"),
    [
      on(stsPolicy, ({ domain }) => policies.policyOf(domain)),
      on(tlsResult, (result) => {
        reports.note(result);
        return {};
      }),
    ],
    { trouble: (text) => log.event("peer_garbage", { text }) },
  );
  const trouble = (thrown: unknown) => log.event("trouble", { text: messageOf(thrown) });
  const timers = [
    repeat(clock, { first: 0, every: limits.sts.lookOver }, () => policies.lookOver().catch(trouble)),
    repeat(clock, { first: 0, every: limits.tlsrpt.flush }, () => reports.lookOver().catch(trouble)),
  ];
  log.event("ready");
  return {
    reload: (next) => {
      const { sts, reports: reporting } = optionsOf(next);
      policies.options = sts;
      reports.options = reporting;
      log.event("reloaded");
    },
    stop: async () => {
      log.event("stopping");
      for (const timer of timers) timer.cancel();
      answering.close();
      injector.close();
      await results.flush().catch(trouble);
    },
  };
};

/** A report as a message into the queue, for which nobody gets a bounce. Trouble when it does not take it. */
async function inject(
  injector: Injector,
  from: string,
  to: readonly string[],
  message: string,
): Promise<void> {
  const recipients = to.map((address) => ({ address, notify: [] }));
  const injection = await injector.begin("tls-report", {
    sender: from,
    body: "7bit",
    submitted: false,
    recipients,
  });
  const bytes = Buffer.from(message);
  for (let at = 0; at < bytes.length; at += CHUNK)
    if (!injection.write(bytes.subarray(at, at + CHUNK))) await injection.drained();
  const result = await injection.commit();
  if (result.kind === "refused") throw new Trouble("inject", `The queue takes no report: ${result.text}`);
}
