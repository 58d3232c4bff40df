// tlspolicy: knows what other domains publish about TLS to their servers (MTA-STS), so that remote need not speak HTTPS.

import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import type { SliceOf } from "#config/slice.ts";
import { PolicyFiles } from "#store/policies.ts";
import { realDisk } from "#sys/disk.ts";
import { requestHttps } from "#sys/https.ts";
import { NetworkResolver } from "#sys/resolver.ts";
import { answerVerbs, on } from "#talk/answerer.ts";
import { stsPolicy } from "#talk/tlspolicy.ts";
import type { Start } from "../boot.ts";
import { type StsOptions, StsPolicies } from "./sts.ts";

/** Below the data directory. */
const POLICIES = "policies/sts";

export const start: Start<"tlspolicy"> = async ({ slice, clock, log, answers }) => {
  const files = await PolicyFiles.open(realDisk, POLICIES);
  const optionsOf = (now: SliceOf<"tlspolicy">): StsOptions => ({
    clock,
    log,
    files,
    resolver: new NetworkResolver({ servers: now.dnsServers, clock }),
    request: requestHttps,
    port: now.port,
    authorities: now.authorities,
  });
  const policies = new StsPolicies(optionsOf(slice));
  const answering = await answerVerbs(
    answers("remote"),
    [on(stsPolicy, ({ domain }) => policies.policyOf(domain))],
    { trouble: (text) => log.event("peer_garbage", { text }) },
  );
  const lookOver = () => {
    timer = clock.after(limits.sts.lookOver, lookOver);
    policies.lookOver().catch((thrown: unknown) => log.event("trouble", { text: messageOf(thrown) }));
  };
  let timer = clock.after(limits.sts.lookOver, lookOver);
  log.event("ready");
  return {
    reload: (next) => {
      policies.options = optionsOf(next);
      log.event("reloaded");
    },
    stop: async () => {
      log.event("stopping");
      timer.cancel();
      answering.close();
    },
  };
};
