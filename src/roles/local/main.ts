// local: puts messages into Maildirs for the queue. It only reads the spool.

import { limits } from "#base/limits.ts";
import { openBody } from "#store/spool/source.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { Caller } from "#talk/caller.ts";
import { answerDeliveries } from "#talk/deliver.ts";
import { FateTeller } from "#talk/fates.ts";
import { whereTo } from "#talk/lookup.ts";
import { deliverToUser } from "#talk/lspawn.ts";
import type { Start } from "../boot.ts";
import { fatesOf } from "./fates.ts";
import { Local } from "./local.ts";
import { RejectsKeeper } from "./rejects.ts";

export const start: Start<"local"> = async ({ slice, clock, log, answers, socketOf }) => {
  const auth = new Caller({ path: socketOf("auth"), clock });
  const lspawn = new Caller({ path: socketOf("lspawn"), clock });
  let { rejects: bounds } = slice;
  const rejects = new RejectsKeeper({
    disk: quickDisk,
    clock,
    log,
    hostname: slice.hostname,
    bounds: () => bounds,
    mail: "mail",
  });
  const local = new Local({
    rejects,
    disk: quickDisk,
    clock,
    log,
    hostname: slice.hostname,
    openBody: (place) => openBody(quickDisk, "spool", place),
    whereTo: (address) => auth.ask(whereTo, { address }),
    toSystemUser: (delivery) => lspawn.ask(deliverToUser, delivery, limits.lspawn.attempt),
  });
  const fates = new FateTeller({
    path: socketOf("ledger"),
    clock,
    trouble: (text) => log.event("trouble", { text }),
  });
  const deliveries = await answerDeliveries(
    answers("queue"),
    async (delivery) => {
      const delivered = await local.deliver(delivery);
      for (const fate of fatesOf(delivery, delivered)) fates.tell(fate);
      return delivered;
    },
    (text) => log.event("peer_garbage", { text }),
  );
  log.event("ready");
  return {
    reload: (next) => {
      local.hostname = next.hostname;
      bounds = next.rejects;
      log.event("reloaded");
    },
    stop: async () => {
      log.event("stopping");
      await deliveries.finish();
      auth.close();
      lspawn.close();
      rejects.close();
      await fates.close();
    },
  };
};
