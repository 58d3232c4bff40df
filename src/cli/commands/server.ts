// kenro stop, status, reload: what the supervisor of a running server is asked.

import fs from "node:fs";
import { pause, systemClock } from "#base/clock.ts";
import { tryLock } from "#sys/lock.ts";
import * as control from "#talk/control.ts";
import { complain, print, printJson, type Run } from "../call.ts";
import { enter } from "../directory.ts";
import { Refusal } from "../exit.ts";
import { LOCK_FILE, notRunning, withRole, writtenPid } from "../server.ts";
import { formatAge, table } from "../text.ts";

/** Longer than the supervisor gives its roles, all after each other. */
const STOP_PATIENCE = 90_000;
const LOOK_AGAIN = 50;

export const stop: Run = async ({ directory }) => {
  enter(directory);
  if (!isLocked()) throw notRunning(directory);
  const pid = writtenPid();
  try {
    await withRole(directory, "supervisor", (ask) => ask(control.stop, {}));
  } catch (thrown) {
    // it starts, or stops already, or does not answer: a signal it always understands
    if (!(thrown instanceof Refusal) || pid === undefined || !signal(pid)) throw thrown;
  }
  const end = systemClock.monotonic() + STOP_PATIENCE;
  while (isLocked() || (pid !== undefined && isAlive(pid))) {
    if (systemClock.monotonic() > end)
      throw new Refusal(`The server (process ${pid}) has not stopped after ${STOP_PATIENCE / 1000} s`, 111);
    await sleep();
  }
  return 0;
};

/** Does a supervisor hold the directory? */
function isLocked(): boolean {
  if (!fs.existsSync(LOCK_FILE)) return false;
  const lock = tryLock(LOCK_FILE);
  lock?.release();
  return lock === undefined;
}

function signal(pid: number): boolean {
  try {
    return process.kill(pid, "SIGTERM");
  } catch {
    // it is gone, or not ours
    return false;
  }
}

/** A process whose parent has not asked for its end counts as gone. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    return !/^\d+ \(.*\) Z/s.test(stat);
  } catch {
    // no such process; where there is no /proc the lock has told enough
    return false;
  }
}

/** Keeps the process alive, unlike the clock's timers. */
function sleep(): Promise<void> {
  const kept = setInterval(() => {}, 1 << 30);
  return pause(systemClock, LOOK_AGAIN).finally(() => clearInterval(kept));
}

export const status: Run = async ({ directory, json }) => {
  try {
    const { roles, note } = await withRole(directory, "supervisor", (ask) => ask(control.status, {}));
    if (json) {
      printJson(roles);
      return 0;
    }
    const now = Date.now();
    const rows = roles.map(({ role, index, state, pid, since, restarts, user }) => [
      index === 0 ? role : `${role}.${index}`,
      state,
      pid === 0 ? "-" : String(pid),
      formatAge(now - since),
      String(restarts),
      user,
    ]);
    for (const line of table(["ROLE", "STATE", "PID", "SINCE", "RESTARTS", "USER"], rows)) print(line);
    if (note !== "") print(note);
    return 0;
  } catch (thrown) {
    // programs get their array whatever happens
    if (json && thrown instanceof Refusal) printJson([]);
    throw thrown;
  }
};

export const reload: Run = async ({ directory }) => {
  const { problems } = await withRole(directory, "supervisor", (ask) => ask(control.reload, {}));
  for (const problem of problems) complain(problem);
  if (problems.length > 0) throw new Refusal("The running server keeps its old configuration");
  return 0;
};
