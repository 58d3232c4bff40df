// Starting a role: the sockets it is born with, and the chain of small programs that take its rights away before node runs.

import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import net, { type Socket } from "node:net";
import { getSystemErrorName } from "node:util";
import { Trouble } from "#base/problem.ts";

/** A socket that is bound but not ours to accept on: its descriptor goes to a role, which listens. Kept open here, so that clients
 * wait in the kernel's queue while the role is restarted. */
export interface Bound {
  readonly fd: number;
  close(): void;
}

/** Node binds without listening only through this function of its own cluster module; style.md §7 says why we need it. */
interface BindingNet {
  _createServerHandle(
    address: string,
    port: number,
    type: number,
    fd?: number,
    flags?: number,
  ): Handle | number;
}

interface Handle {
  readonly fd: number;
  close(): void;
}

const UV_TCP_IPV6ONLY = 1;

function bind(
  operation: string,
  [address, port, type, flags]: readonly [string, number, number, number],
): Bound {
  const handle = (net as unknown as BindingNet)._createServerHandle(address, port, type, undefined, flags);
  if (typeof handle === "number") {
    const code = getSystemErrorName(handle);
    throw new Trouble(operation, `Cannot ${operation}: ${code}`, { code });
  }
  return { fd: handle.fd, close: () => handle.close() };
}

/** A TCP port; Trouble with the system's code ("EADDRINUSE", "EACCES"). IPv6 sockets take IPv6 only. */
export function bindTcp(address: string, port: number): Bound {
  const v6 = net.isIPv6(address);
  return bind(`listen on ${address} port ${port}`, [address, port, v6 ? 6 : 4, v6 ? UV_TCP_IPV6ONLY : 0]);
}

/** A Unix socket that only `owner` may connect to; a stale one at the path is replaced. */
export function bindLocal(
  path: string,
  owner: { readonly uid: number; readonly gid: number } | undefined,
): Bound {
  fs.rmSync(path, { force: true });
  const bound = bind(`make socket ${path}`, [path, -1, -1, 0]);
  fs.chmodSync(path, 0o600);
  if (owner) fs.chownSync(path, owner.uid, owner.gid);
  return bound;
}

export interface Confinement {
  /** Undefined: stay who we are. */
  readonly owner:
    | { readonly uid: number; readonly gid: number; readonly groups: readonly number[] }
    | undefined;
  /** An empty network namespace, where root may make one. */
  readonly noNetwork: boolean;
  /** What is in the way; undefined: nothing. Only where `available` says so. */
  readonly view: View | undefined;
  /** Open files. */
  readonly files: number;
  /** Names of capabilities that stay, without "cap_". */
  readonly capabilities: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** A mount namespace in which directories closed to other users are covered by empty ones that are open, and in these lie the two
 * that the child needs, at their usual paths. */
export interface View {
  readonly covered: readonly string[];
  /** The working directory, and where the packages are. */
  readonly kept: readonly [string, string];
}

/** Arguments: the two that are kept, those that are covered, "--", the command. The subshell's descriptors are 3 and 4 whatever the child
 * is born with; mount(8) must not look through them for the paths, which lead to the cover. */
const VIEW = `set -e
umask 022
data=$1 packages=$2
shift 2
(
  exec 3<"$data" 4<"$packages"
  cd /
  for cover; do [ "$cover" != -- ] || break; mount -t tmpfs -o mode=711 kenro "$cover"; done
  mkdir -p "$data" "$packages"
  mount -c --rbind /proc/self/fd/3 "$data"
  mount -c --rbind /proc/self/fd/4 "$packages"
  for cover; do [ "$cover" != -- ] || break; mount -o remount,ro "$cover"; done
)
cd "$data"
while [ "$1" != -- ]; do shift; done
shift
exec "$@"`;

export interface ChildOptions extends Confinement {
  readonly node: string;
  readonly nodeArguments: readonly string[];
  readonly directory: string;
  /** Become descriptors 4, 5, … of the child; 3 is the health link. */
  readonly descriptors: readonly number[];
}

export interface Child {
  readonly process: ChildProcess;
  readonly health: Socket;
}

/** The programs before `node`: each takes a right away and becomes the next one, so that the pid stays the same. */
export function confine(confinement: Confinement, command: readonly string[]): readonly string[] {
  const { owner, noNetwork, view, files, capabilities, environment } = confinement;
  const tools = available();
  const chain: string[] = [];
  const namespaces = [...(noNetwork && tools.unshare ? ["--net"] : []), ...(view ? ["--mount"] : [])];
  if (namespaces.length > 0) chain.push("unshare", ...namespaces, "--");
  if (view) chain.push("sh", "-c", VIEW, "sh", ...view.kept, ...view.covered, "--");
  if (tools.prlimit) chain.push("prlimit", "--core=0", `--nofile=${Math.min(files, mostFiles())}`, "--");
  if (tools.setpriv) {
    chain.push("setpriv", "--no-new-privs");
    if (owner) {
      chain.push(`--reuid=${owner.uid}`, `--regid=${owner.gid}`);
      const kept = ["-all", ...capabilities.map((name) => `+${name}`)].join(",");
      chain.push(`--inh-caps=${kept}`, `--bounding-set=${kept}`);
      if (capabilities.length > 0) chain.push(`--ambient-caps=${kept}`);
      chain.push(owner.groups.length > 0 ? `--groups=${owner.groups.join(",")}` : "--clear-groups");
    }
    chain.push("--");
  }
  // whatever the administrator's shell exported stays outside, NODE_OPTIONS first of all
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return [...chain, "env", "-i", ...variables, ...command];
}

/** Starts one role. Without setpriv (other systems than Linux) node itself changes the user. */
export function startChild(options: ChildOptions): Child {
  const [file = "", ...rest] = confine(options, [options.node, ...options.nodeArguments]);
  const owner = available().setpriv ? undefined : options.owner;
  const child = spawn(file, rest, {
    cwd: options.directory,
    // of a group of its own: Ctrl-C on the terminal reaches the supervisor only, which stops all in order
    detached: true,
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
    stdio: ["ignore", "pipe", "pipe", "pipe", ...options.descriptors],
    ...(owner ? { uid: owner.uid, gid: owner.gid } : {}),
  });
  return { process: child, health: child.stdio[3] as Socket };
}

interface Tools {
  readonly setpriv: boolean;
  readonly prlimit: boolean;
  /** Network namespaces. */
  readonly unshare: boolean;
  /** Mount namespaces with mounts of our own. */
  readonly mount: boolean;
}

/** Open files that we may grant: only root outside of containers may go over its own hard limit. */
function mostFiles(): number {
  try {
    const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(fs.readFileSync("/proc/self/limits", "latin1"))?.[1];
    return hard === undefined ? Number.POSITIVE_INFINITY : Number(hard);
  } catch {
    // no /proc: prlimit itself will say what it thinks of the number
    return Number.POSITIVE_INFINITY;
  }
}

/** The most that `outputOf` takes. */
const OUTPUT = 16 * 1024 * 1024;

/** What a program prints. Trouble when it cannot run, or fails. */
export function outputOf(program: string, words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, words, { maxBuffer: OUTPUT }, (error, output) => {
      if (error) reject(Trouble.from(`run ${program}`, error));
      else resolve(output);
    });
  });
}

let known: Tools | undefined;

/** Which of util-linux's programs work here; found out once, by using them. */
export function available(): Tools {
  const works = (program: string, ...rest: string[]) => spawnSync(program, rest).status === 0;
  const root = process.getuid?.() === 0;
  known ??= {
    setpriv: works("setpriv", "--no-new-privs", "--", "true"),
    prlimit: works("prlimit", "--core=0", "--", "true"),
    unshare: root && works("unshare", "--net", "--", "true"),
    mount: root && works("unshare", "--mount", "--", "mount", "-t", "tmpfs", "kenro", "/"),
  };
  return known;
}
