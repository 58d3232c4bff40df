// lspawn: delivers for system users, each with his own rights. Runs only when system users are enabled.

import path from "node:path";
import { limits } from "#base/limits.ts";
import { writePrograms } from "#store/dotqmail/programs.ts";
import { Users } from "#store/dotqmail/users.ts";
import { Recent } from "#store/maildir/recent.ts";
import type { Place } from "#store/spool/place.ts";
import { openBody } from "#store/spool/source.ts";
import { quickDisk } from "#sys/quickdisk.ts";
import { type Identity, SEARCH_PATH } from "#sys/userchild.ts";
import { answerVerbs, on } from "#talk/answerer.ts";
import { deliverToUser, runProgram, systemUser } from "#talk/lspawn.ts";
import type { Start } from "../boot.ts";
import { Looks } from "./looks.ts";
import { Lspawn } from "./lspawn.ts";
import { Programs } from "./programs.ts";
import { WorkerProcess } from "./workerprocess.ts";
import { Workers } from "./workers.ts";

/** Where the record of done lines is; ours alone. */
const LINES = "lines";
/** Programs for .qmail files under their own names; open to all. */
const PROGRAMS = "programs";

/** ".ts" in a checkout, ".js" where the types are stripped already (cli/code.ts). */
const EXTENSION = path.extname(import.meta.filename);
const WORKER = path.join(import.meta.dirname, `worker${EXTENSION}`);
const COMMAND_LINE = path.resolve(import.meta.dirname, `../../cli/main${EXTENSION}`);
const NODE = [process.execPath, "--disable-warning=ExperimentalWarning"];

export const start: Start<"lspawn"> = async ({ slice: first, clock, log, answers }) => {
  let slice = first;
  let users = usersOf();
  function usersOf(): Users {
    const { assign, passwd, alias } = slice;
    return new Users({ disk: quickDisk, assign, passwd, alias });
  }
  const data = process.cwd();
  // V8's room for compiled code alone would be more than the memory that a program may have
  await writePrograms(quickDisk, PROGRAMS, { command: [...NODE, "--jitless", COMMAND_LINE], data });
  const command = [...NODE, "--max-old-space-size=128", WORKER];
  const workers = new Workers({
    clock,
    bounds: () => slice,
    start: (identity: Identity) => {
      log.event("lspawn_worker", { uid: identity.uid });
      return new WorkerProcess(clock, identity, command);
    },
  });
  const shared = {
    log,
    slice: () => slice,
    record: new Recent(quickDisk, LINES, limits.lspawn.record),
    openBody: (place: Place) => openBody(quickDisk, "spool", place),
    searchPath: `${path.join(data, PROGRAMS)}:${SEARCH_PATH}`,
  };
  const lspawn = new Lspawn({ ...shared, users: () => users, looks: new Looks(clock), workers });
  const programs = new Programs({ ...shared, clock });
  const trouble = (text: string) => log.event("peer_garbage", { text });
  const running = new Set<Promise<unknown>>();
  const tracked = <T>(work: Promise<T>): Promise<T> => {
    const ended = work.finally(() => running.delete(ended));
    running.add(ended);
    return ended;
  };
  const answering = await Promise.all([
    answerVerbs(answers("auth"), [on(systemUser, ({ local }) => lspawn.exists(local))], { trouble }),
    answerVerbs(
      answers("local"),
      [
        on(deliverToUser, (delivery) => tracked(lspawn.deliver(delivery))),
        on(runProgram, (question) => tracked(programs.run(question))),
      ],
      { trouble },
    ),
  ]);
  log.event("ready");
  return {
    reload: (next) => {
      slice = next;
      users = usersOf();
      log.event("reloaded");
    },
    stop: async () => {
      log.event("stopping");
      for (const each of answering) each.close();
      // a program may run for minutes; its message is tried again
      await Promise.race([
        Promise.allSettled(running),
        new Promise((resolve) => setTimeout(resolve, PATIENCE)),
      ]);
      await workers.stop();
    },
  };
};

/** Less than boot.ts gives a role to stop. */
const PATIENCE = 5000;
