// local: puts messages into Maildirs for the queue. It only reads the spool.

import { openBody } from "#store/spool/source.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { Caller } from "#talk/caller.ts";
import { answerDeliveries } from "#talk/deliver.ts";
import { whereTo } from "#talk/lookup.ts";
import type { Start } from "../boot.ts";
import { Local } from "./local.ts";

export const start: Start<"local"> = async ({ slice, clock, log, answers, socketOf }) => {
  const auth = new Caller({ path: socketOf("auth"), clock });
  const local = new Local({
    disk: quickDisk,
    clock,
    log,
    hostname: slice.hostname,
    openBody: (place) => openBody(quickDisk, "spool", place),
    whereTo: (address) => auth.ask(whereTo, { address }),
  });
  const deliveries = await answerDeliveries(
    answers("queue"),
    (delivery) => local.deliver(delivery),
    (text) => log.event("peer_garbage", { text }),
  );
  log.event("ready");
  return {
    reload: (next) => {
      local.hostname = next.hostname;
      log.event("reloaded");
    },
    stop: async () => {
      log.event("stopping");
      await deliveries.finish();
      auth.close();
    },
  };
};
