// The running server as the command line sees it: is there one, and the questions it answers.

import fs from "node:fs";
import path from "node:path";
import { systemClock } from "#base/clock.ts";
import { codeOf, messageOf, Trouble } from "#base/problem.ts";
import { socketPath } from "#roles/roles.ts";
import { dial } from "#sys/local.ts";
import { tryLock } from "#sys/lock.ts";
import { Caller, type Verb } from "#talk/caller.ts";
import { enter } from "./directory.ts";
import { Refusal } from "./exit.ts";

const LOCK_FILE = "run/supervisor/lock";
const PID_FILE = "run/supervisor/pid";

/** A role on this machine that does not take a connection within this time hangs. */
const PATIENCE = 5000;

/** Asks one question; `ms` when the answer may take longer than usual. */
export type Ask = <Q, A>(verb: Verb<Q, A>, question: Q, ms?: number) => Promise<A>;

/** A role that the command line asks. */
type Asked = "supervisor" | "queue" | "ledger";

/** Asks a role of the server in `directory` one question after another, then hangs up. */
export async function withRole<T>(
  directory: string,
  role: Asked,
  talk: (ask: Ask) => Promise<T>,
): Promise<T> {
  enter(directory);
  const at = socketPath(role, "control");
  await reach(directory, role);
  const caller = new Caller({ path: at, clock: systemClock });
  try {
    return await talk((verb, question, ms) => caller.ask(verb, question, ms));
  } catch (thrown) {
    if (!(thrown instanceof Trouble)) throw thrown;
    throw new Refusal(
      `The server does not answer (${thrown.message}); see: kenro log --dir ${directory}`,
      111,
    );
  } finally {
    caller.close();
  }
}

/** A Caller waits for roles that are starting; a person wants to know at once that nothing runs. */
async function reach(directory: string, role: Asked): Promise<void> {
  try {
    const socket = await dial(socketPath(role, "control"), PATIENCE);
    socket.destroy();
  } catch (thrown) {
    switch (codeOf(thrown)) {
      case "ENOENT":
      case "ECONNREFUSED":
        throw role === "supervisor" ? notRunning(directory) : roleAway(directory, role);
      case "EACCES":
      case "EPERM":
        throw new Refusal(
          `The server in "${directory}" is not yours to ask; run this as the user who started it`,
        );
      default:
        throw new Refusal(`Cannot ask the server in "${directory}": ${messageOf(thrown)}`, 111);
    }
  }
}

export const notRunning = (directory: string): Refusal =>
  new Refusal(`No server runs in "${directory}"; start it with: kenro start --dir ${directory}`);

/** The mail, or the memory, is still there and can be asked for later, so this is not a "no". */
function roleAway(directory: string, role: Exclude<Asked, "supervisor">): Refusal {
  if (!isRunning()) return new Refusal(notRunning(directory).message, 111);
  return new Refusal(
    `The ${role} does not answer yet; see how it is with: kenro status --dir ${directory}`,
    111,
  );
}

/** Whether nobody takes connections for the supervisor of the working directory. A look that takes no lock, so that it never keeps a server from starting. */
export async function isDown(): Promise<boolean> {
  try {
    const socket = await dial(socketPath("supervisor", "control"), PATIENCE);
    socket.destroy();
    return false;
  } catch (thrown) {
    return codeOf(thrown) === "ENOENT" || codeOf(thrown) === "ECONNREFUSED";
  }
}

/** Does a supervisor hold this data directory? A look takes the lock for a moment, so it is not for loops. */
export function isRunning(directory = "."): boolean {
  const file = path.join(directory, LOCK_FILE);
  if (!fs.existsSync(file)) return false;
  const lock = tryLock(file);
  lock?.release();
  return lock === undefined;
}

/** The supervisor's process number as it wrote it down; below the working directory. */
export function writtenPid(): number | undefined {
  try {
    const pid = Number(fs.readFileSync(PID_FILE, "utf8"));
    return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return undefined;
    throw Trouble.from(`read ${PID_FILE}`, thrown);
  }
}
