// The accounts as the command line opens them: directly in their file, as the user to whom that file belongs.

import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { loadConfig } from "#config/load.ts";
import { type Owner, ownersFrom } from "#roles/supervisor/layout.ts";
import { Directory } from "#store/accounts/directory.ts";
import { enter } from "./directory.ts";
import { Refusal } from "./exit.ts";

const ACCOUNTS = "accounts";

/** Opens the accounts below a data directory, and makes them when they are missing. As root, this process is auth's user from then on. */
export function openAccounts(directory: string): Directory {
  const from = process.cwd();
  enter(directory);
  const config = loadConfig(".");
  if (!config.ok) throw new Refusal(config.error.join("\n"));
  const owner = ownersFrom(config.value.users.base, process.getuid?.() === 0).user("auth");
  fs.mkdirSync(ACCOUNTS, { recursive: true, mode: 0o700 });
  if (owner) {
    fs.chownSync(ACCOUNTS, owner.uid, owner.gid);
    become(owner, from);
  }
  const accounts = new Directory();
  accounts.marks = config.value.accounts.extension_marks;
  return accounts;
}

/** A thief of auth may have put a link where a file should be: what we write there is written with auth's rights, not with root's. */
function become({ uid, gid }: Owner, from: string): void {
  process.setgroups?.([]);
  process.setegid?.(gid);
  process.seteuid?.(uid);
  // SQLite needs the whole path, and somebody may have closed a part of it to other users (/root, 0700 in /tmp)
  if (canEnter(path.resolve(ACCOUNTS))) return;
  process.seteuid?.(0);
  process.setegid?.(0);
  runAs({ uid, gid }, from);
}

function canEnter(place: string): boolean {
  try {
    fs.readdirSync(place);
    return true;
  } catch {
    // whatever keeps us out, we cannot work there like this
    return false;
  }
}

/** The same command again, with auth's rights and the one more to pass closed directories; ends this process with its exit code. */
function runAs({ uid, gid }: Owner, from: string): never {
  const rights = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--no-new-privs"];
  const pass = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"];
  const [, script = "", ...rest] = process.argv;
  const ran = spawnSync(
    "setpriv",
    [...rights, ...pass, "--", process.execPath, ...process.execArgv, script, ...rest],
    // a --dir among the arguments may be relative to where we came from
    { stdio: "inherit", cwd: from, env: { ...process.env, KENRO_DIR: process.cwd() } },
  );
  if (ran.error || ran.status === null) {
    throw new Refusal(
      `Cannot open the accounts: "${process.cwd()}" lies in a directory that is closed to other users; open it with chmod o+x`,
      111,
    );
  }
  process.exit(ran.status);
}
