// local: puts messages into Maildirs for the queue. It only reads the spool.

import { openBody } from "#store/spool/source.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { answerVerbs, on } from "#talk/answerer.ts";
import { Caller } from "#talk/caller.ts";
import { deliver } from "#talk/deliver.ts";
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
  const running = new Set<Promise<unknown>>();
  const run = (delivery: Parameters<Local["deliver"]>[0]) => {
    const work = local.deliver(delivery).finally(() => running.delete(work));
    running.add(work);
    return work;
  };
  const answering = await answerVerbs(answers("queue"), [on(deliver, run)], {
    trouble: (text) => log.event("peer_garbage", { text }),
  });
  log.event("ready");
  return {
    reload: (next) => {
      local.hostname = next.hostname;
      log.event("reloaded");
    },
    stop: async () => {
      log.event("stopping");
      answering.close();
      await Promise.allSettled(running);
      auth.close();
    },
  };
};
