// The queue role: takes mail from smtpd, keeps it safe, and has it delivered. The only one that writes the spool.

import { pause } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { messageOf, Trouble } from "#base/problem.ts";
import { type Disk, realDisk } from "#sys/disk.ts";
import { type Lock, tryLock } from "#sys/lock.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { answerVerbs } from "#talk/answerer.ts";
import { Caller } from "#talk/caller.ts";
import { answerInjections } from "#talk/inject.ts";
import type { RoleContext, Start } from "../boot.ts";
import { Drop } from "./drop.ts";
import { openQueue } from "./queue.ts";
import { onlyReports } from "./reports.ts";

const SPOOL = "spool";

/** Writes end in the kernel's memory and cost less than the way to the pool and back; syncs, and removing what may be large, take that way. */
const disk: Disk = { ...quickDisk, remove: realDisk.remove };

/** How long a queue that was killed may still hold the lock. */
const LOCK_PATIENCE = 5000;

/** Deliveries under way may end before we do. */
const STOP_PATIENCE = 5000;

export const start: Start<"queue"> = async (context) => {
  const { clock, log } = context;
  let { slice } = context;
  const lock = await takeLock(context);
  const call = (role: "local" | "remote" | "auth") => new Caller({ path: context.socketOf(role), clock });
  const callers = { local: call("local"), remote: call("remote"), auth: call("auth") };
  const common = { clock, disk, log, slice: () => slice };
  const drop = new Drop(common);
  await drop.publish();
  const queue = await openQueue({ ...common, directory: SPOOL, drop, ...callers });
  const injections = await answerInjections(context.answers("smtpd"), queue.intake);
  const reports = await answerInjections(
    context.answers("tlspolicy"),
    onlyReports(queue.intake, () => slice.reporter),
  );
  const control = await answerVerbs(context.answers("control"), queue.control, {
    trouble: (message) => log.event("peer_garbage", { text: message }),
  });
  return {
    reload: (next) => {
      slice = next;
      drop.publish().catch((thrown: unknown) => {
        log.event("trouble", { text: `Cannot write drop/settings: ${messageOf(thrown)}` });
      });
    },
    async stop() {
      injections.close();
      reports.close();
      control.close();
      await queue.stop(STOP_PATIENCE);
      for (const caller of Object.values(callers)) caller.close();
      lock.release();
    },
  };
};

/** The spool has one owner. Trouble when another one keeps it. */
async function takeLock({ clock }: RoleContext<"queue">): Promise<Lock> {
  await realDisk.makeDirectory(SPOOL, 0o2750);
  const end = clock.monotonic() + LOCK_PATIENCE;
  for (;;) {
    const lock = tryLock(`${SPOOL}/lock`);
    if (lock) return lock;
    if (clock.monotonic() >= end) {
      throw new Trouble("lock spool", "Another queue process owns the spool; stop it first");
    }
    await pause(clock, limits.talk.connectRetry);
  }
}
