// remote: sends messages to other mail servers for the queue. It only reads the spool.

import { limits } from "#base/limits.ts";
import type { SliceOf } from "#config/slice.ts";
import { openBody } from "#store/spool/source.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { NetworkResolver } from "#sys/resolver.ts";
import { Caller } from "#talk/caller.ts";
import { answerDeliveries } from "#talk/deliver.ts";
import { stsPolicy, tlsResult } from "#talk/tlspolicy.ts";
import type { Start } from "../boot.ts";
import { Remote, type RemoteOptions } from "./remote.ts";

export const start: Start<"remote"> = async ({ slice, clock, log, answers, socketOf }) => {
  const policies = new Caller({ path: socketOf("tlspolicy"), clock });
  const optionsOf = (now: SliceOf<"remote">): RemoteOptions => ({
    clock,
    log,
    hostname: now.hostname,
    sourceAddress: now.sourceAddress,
    port: now.port,
    smarthost: now.smarthost,
    routes: now.routes,
    reporter: now.reporter,
    tell: (result) => {
      // a count that is lost is no reason to wait
      if (now.reporter !== "") policies.ask(tlsResult, result).catch(() => {});
    },
    authorities: now.authorities,
    sts: async (domain) =>
      now.sts ? policies.ask(stsPolicy, { domain }, limits.sts.answer) : { kind: "none" },
    waits: limits.remote,
    random: Math.random,
    resolver: new NetworkResolver({ servers: now.dnsServers, trusted: now.dnsTrusted, clock }),
    openBody: (place) => openBody(quickDisk, "spool", place),
  });
  const remote = new Remote(optionsOf(slice));
  const deliveries = await answerDeliveries(
    answers("queue"),
    (delivery) => remote.deliver(delivery),
    (text) => log.event("peer_garbage", { text }),
  );
  log.event("ready");
  return {
    reload: (next) => {
      remote.options = optionsOf(next);
      log.event("reloaded");
    },
    stop: async () => {
      log.event("stopping");
      await deliveries.finish();
      remote.close();
      policies.close();
    },
  };
};
