// Starting a program as a user of the machine, from a process that may become others: the chain of small programs that take its rights away.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import type { Socket } from "node:net";

export interface Identity {
  readonly uid: number;
  readonly gid: number;
}

/** Bits of CapEff in /proc/self/status (capabilities(7)). */
const CAP = { setuid: 7n, sysAdmin: 21n } as const;

function capabilities(): bigint {
  try {
    const status = fs.readFileSync("/proc/self/status", "latin1");
    return BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? "0"}`);
  } catch {
    // no /proc: nothing to give away
    return 0n;
  }
}

const has = (capability: bigint): boolean => ((capabilities() >> capability) & 1n) === 1n;

/** Whether this process may become others. */
export const mayBecomeOthers = (): boolean => has(CAP.setuid);

let namespaces: boolean | undefined;

/** Whether it may make namespaces; found out once, by making one. */
export function mayMakeNamespaces(): boolean {
  namespaces ??= has(CAP.sysAdmin) && spawnSync("unshare", ["--pid", "--fork", "--", "true"]).status === 0;
  return namespaces;
}

/** The words before a command that make it run as a user, with no other groups and no rights of ours. Without our rights: as we are. */
export function becoming({ uid, gid }: Identity): readonly string[] {
  const identity = mayBecomeOthers()
    ? [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--inh-caps=-all", "--ambient-caps=-all"]
    : [];
  // the signal is forgotten when the user changes, so it is set behind that
  return ["setpriv", "--no-new-privs", ...identity, "--pdeathsig=KILL", "--"];
}

/** The words before a command by which everything that it starts ends with it, where we may make namespaces. */
export const together = (): readonly string[] =>
  mayMakeNamespaces() ? ["unshare", "--pid", "--fork", "--"] : [];

/** What is found by programs that are given no PATH of their own. */
export const SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin";

export interface UserProcess {
  readonly process: ChildProcess;
  /** Descriptor 3 of it. */
  readonly link: Socket;
  /** Ends it with all that it has started. */
  kill(): void;
}

/** Starts a long-lived program as a user. */
export function startAsUser(identity: Identity, command: readonly string[]): UserProcess {
  const [file = "", ...words] = [...together(), ...becoming(identity), ...command];
  const child = spawn(file, words, {
    cwd: "/",
    env: { PATH: SEARCH_PATH, MALLOC_ARENA_MAX: "2", UV_THREADPOOL_SIZE: "2" },
    stdio: ["ignore", "ignore", "pipe", "pipe"],
    detached: true,
  });
  return {
    process: child,
    link: child.stdio[3] as Socket,
    kill: () => {
      // the first process of a namespace takes the others with it
      for (const pid of childrenOf(child.pid)) signal(pid);
      signal(child.pid);
    },
  };
}

function childrenOf(pid: number | undefined): readonly number[] {
  if (pid === undefined || !mayMakeNamespaces()) return [];
  try {
    return fs
      .readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1")
      .split(" ")
      .map(Number)
      .filter((each) => each > 1);
  } catch {
    // it has ended, or the kernel does not tell: then it dies of its parent's death
    return [];
  }
}

function signal(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended
  }
}

/** Runs a short program as a user; its exit code, or undefined when a signal or the time ended it or it cannot be started. */
export function codeAsUser(
  identity: Identity,
  command: readonly string[],
  time: number,
): Promise<number | undefined> {
  const [file = "", ...words] = [...becoming(identity), ...command];
  return new Promise((resolve) => {
    const child = spawn(file, words, {
      cwd: "/",
      env: { PATH: SEARCH_PATH },
      stdio: "ignore",
      timeout: time,
      killSignal: "SIGKILL",
    });
    child.on("error", () => resolve(undefined));
    child.on("exit", (code) => resolve(code ?? undefined));
  });
}

/** Mounts over what all users share; then the rest of the words. mount(8) works for root only, who has no more rights here than we. */
const OWN_PLACES = `set -e
umask 022
for at in /tmp /var/tmp /dev/shm; do [ ! -d "$at" ] || mount -t tmpfs -o mode=1777,size=64m,nosuid,nodev kenro "$at"; done
mount -t proc proc /proc
cd /tmp
exec "$@"`;

/** The words before a command that put it apart: as a user, without network, with processes, mounts and IPC of its own. */
export const apart = (identity: Identity): readonly string[] => [
  ...["unshare", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--"],
  ...["setpriv", "--reuid=0", "--regid=0", "--clear-groups", "--"],
  ...["/bin/sh", "-c", OWN_PLACES, "sh"],
  ...becoming(identity),
];
