// kenro stop, status, reload: what the supervisor of a running server is asked.

import fs from "node:fs";
import { pause, systemClock } from "#base/clock.ts";
import * as control from "#talk/control.ts";
import { complain, print, printJson, type Run } from "../call.ts";
import { enter } from "../directory.ts";
import { Refusal } from "../exit.ts";
import { isRunning, notRunning, withRole, writtenPid } from "../server.ts";
import { formatAge, table } from "../text.ts";

/** Longer than the supervisor gives its roles, all after each other. */
const STOP_PATIENCE = 90_000;
const LOOK_AGAIN = 50;
/** A stop that takes longer is worth a word on a terminal. */
const SOON = 1000;

export const stop: Run = async ({ directory }) => {
  enter(directory);
  if (!isRunning()) throw notRunning(directory);
  const pid = writtenPid();
  try {
    await withRole(directory, "supervisor", (ask) => ask(control.stop, {}));
  } catch (thrown) {
    // it starts, or stops already, or does not answer: a signal it always understands
    if (!(thrown instanceof Refusal) || pid === undefined || !signal(pid)) throw thrown;
  }
  await gone(pid);
  return 0;
};

async function gone(pid: number | undefined): Promise<void> {
  const begin = systemClock.monotonic();
  let told = !process.stderr.isTTY;
  while (pid === undefined ? isRunning() : isAlive(pid)) {
    const passed = systemClock.monotonic() - begin;
    if (passed > STOP_PATIENCE)
      throw new Refusal(`The server (process ${pid}) has not stopped after ${STOP_PATIENCE / 1000} s`, 111);
    if (!told && passed > SOON) {
      told = true;
      complain("The server finishes what is under way …");
    }
    await sleep();
  }
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
