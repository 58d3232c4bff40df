// One owner of a directory. Node has no flock(2); SQLite's exclusive lock is an fcntl lock that the kernel drops with the process.

import { DatabaseSync } from "node:sqlite";
import { messageOf, Trouble } from "#base/problem.ts";

export interface Lock {
  release(): void;
}

/** Takes the lock file (created when missing) or undefined when another process holds it. Trouble when it cannot be opened. */
export function tryLock(file: string): Lock | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file);
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    const held = database;
    return { release: () => held.close() };
  } catch (thrown) {
    database?.close();
    if (/locked|busy/i.test(messageOf(thrown))) return undefined;
    throw new Trouble("lock", `Cannot open lock file "${file}": ${messageOf(thrown)}`, thrown);
  }
}
