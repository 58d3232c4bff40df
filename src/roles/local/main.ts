// local: puts messages into Maildirs for the queue. It only reads the spool.

import { limits } from "#base/limits.ts";
import { messageOf } from "#base/problem.ts";
import { openBody } from "#store/spool/source.ts";
import { gatheredSyncs } from "#sys/gatheredsync.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { SyncFs } from "#sys/syncfs.ts";
import { Caller } from "#talk/caller.ts";
import { answerDeliveries } from "#talk/deliver.ts";
import { FateTeller } from "#talk/fates.ts";
import { usage, whereTo } from "#talk/lookup.ts";
import { deliverToUser, runProgram } from "#talk/lspawn.ts";
import type { Start } from "../boot.ts";
import { fatesOf } from "./fates.ts";
import { Local } from "./local.ts";
import { QuotaKeeper } from "./quota.ts";
import { RejectsKeeper } from "./rejects.ts";

/** Where the mailboxes are. */
const MAIL = "mail";

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
    mail: MAIL,
  });
  const syncfs = new SyncFs(clock, MAIL);
  const trouble = (thrown: unknown) =>
    log.event("trouble", { text: `Each file is synced for itself: ${messageOf(thrown)}` });
  let { fullWait } = slice;
  const quotas = new QuotaKeeper({
    disk: quickDisk,
    clock,
    log,
    // what auth does not hear of it learns with the next message
    tell: (use) => void auth.ask(usage, use).catch(() => {}),
  });
  const local = new Local({
    rejects,
    quotas,
    fullWait: () => fullWait,
    disk: gatheredSyncs(quickDisk, { clock, at: MAIL, whole: syncfs, trouble }),
    clock,
    log,
    hostname: slice.hostname,
    openBody: (place) => openBody(quickDisk, "spool", place),
    whereTo: (address) => auth.ask(whereTo, { address }),
    toSystemUser: (delivery) => lspawn.ask(deliverToUser, delivery, limits.lspawn.attempt),
    runProgram: (question) => lspawn.ask(runProgram, question, limits.lspawn.attempt),
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
      fullWait = next.fullWait;
      log.event("reloaded");
    },
    stop: async () => {
      log.event("stopping");
      await deliveries.finish();
      syncfs.close();
      auth.close();
      lspawn.close();
      rejects.close();
      quotas.close();
      await fates.close();
    },
  };
};
