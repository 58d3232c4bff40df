// The directory of rules as commands change it: one at a time, and files that the server's other users can read.

import fs from "node:fs";
import os from "node:os";
import { setTimeout } from "node:timers/promises";
import { systemClock } from "#base/clock.ts";
import { realDisk } from "#sys/disk.ts";
import { tryLock } from "#sys/lock.ts";
import { enter } from "./directory.ts";
import { Refusal } from "./exit.ts";

/** Below the data directory, which is the working directory from `withRules` on. */
export const RULES = "rules";
const LOCK = `${RULES}/.lock`;

/** Rules are no secret, and the server is another user. */
export const RULE_FILE = 0o644;
export const RULE_DIRECTORY = 0o755;

/** Another command that changes rules is done by then, or hangs. */
const PATIENCE = 10_000;
const LOOK = 50;

/** Runs `change` in the data directory, while no other command changes its rules. Refusal when one does so for too long. */
export async function withRules<T>(directory: string, change: () => Promise<T>): Promise<T> {
  enter(directory);
  // the roles' users read it, whatever the umask of whoever changes it
  process.umask(0o022);
  fs.mkdirSync(RULES, { recursive: true, mode: RULE_DIRECTORY });
  const end = systemClock.monotonic() + PATIENCE;
  for (;;) {
    const lock = tryLock(LOCK);
    if (lock) {
      try {
        return await change();
      } finally {
        lock.release();
      }
    }
    if (systemClock.monotonic() > end)
      throw new Refusal("Another command changes the rules; try again when it has ended", 111);
    await setTimeout(LOOK);
  }
}

/** Who changes them: the person behind sudo, else the user. */
export function author(): string {
  const behind = process.env["SUDO_USER"] ?? "";
  if (behind !== "") return behind;
  try {
    return os.userInfo().username;
  } catch {
    // a number without an entry in /etc/passwd
    return String(process.getuid?.() ?? "unknown");
  }
}

/** The text of a rule file, "" when there is none; Refusal when it is longer than `most`. */
export async function readRuleFile(file: string, most: number): Promise<string> {
  const found = await realDisk.stat(file);
  if (!found) return "";
  if (!found.regular) throw new Refusal(`Cannot read "${file}": it is not a file`);
  if (found.size > most) throw new Refusal(`Cannot read "${file}": it is longer than ${most} bytes`);
  return fs.readFileSync(file, "utf8");
}
