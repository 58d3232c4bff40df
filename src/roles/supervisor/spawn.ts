// What one role's process is allowed: its row of the table as node flags, user, network and limits.

import fs from "node:fs";
import path from "node:path";
import type { SlicedRole } from "#config/slice.ts";
import { available, type Child, startChild, type View } from "#sys/child.ts";
import { roles } from "../roles.ts";
import { closedOnTheWay, type Owners } from "./layout.ts";

/** The checkout, or the tree of stripped code: what a role may read of it to load its code. */
const ROOT = path.resolve(import.meta.dirname, "../../..");
const CODE = ["src", "node_modules", "package.json"];
const BOOT = path.join(ROOT, `src/roles/boot${path.extname(import.meta.filename)}`);

/** Starts one process of a role in the working directory, the data directory. */
export function spawner(
  role: SlicedRole,
  index: number,
  owners: Owners,
  descriptors: readonly number[],
): Child {
  const row = roles[role];
  const owner = owners.user(row.user);
  const groups = row.groups.map((name) => owners.group(name)).filter((gid) => gid !== undefined);
  const data = process.cwd();
  const inside = (names: readonly string[]) => names.map((name) => path.join(data, name));
  return startChild({
    node: process.execPath,
    nodeArguments: [
      "--disable-warning=ExperimentalWarning",
      ...(row.tidy ? ["--single-threaded-gc", "--max-semi-space-size=2"] : []),
      ...(row.young ? [`--max-semi-space-size=${row.young}`] : []),
      ...(row.syncs ? [] : permissions(inside(row.reads), inside(row.writes))),
      ...(row.workers && !row.syncs ? ["--allow-worker"] : []),
      BOOT,
      role,
      String(index),
    ],
    directory: data,
    descriptors,
    owner: owner && { ...owner, groups },
    noNetwork: row.network === "none",
    view: owner && viewOf(data),
    files: row.files,
    capabilities: row.capabilities ?? [],
    // glibc would keep a heap for each thread, though one thread does nearly all
    environment: { UV_THREADPOOL_SIZE: String(row.threads), MALLOC_ARENA_MAX: "2" },
  });
}

/** Below somebody's home the roles' users reach nothing without a view of their own. */
function viewOf(data: string): View | undefined {
  const kept = [data, fs.realpathSync(path.join(ROOT, "node_modules"))] as const;
  const closed = new Set(kept.map(closedOnTheWay).filter((at) => at !== undefined));
  return closed.size > 0 && unreachable(data) === undefined ? { covered: [...closed], kept } : undefined;
}

/** What keeps the roles' users from the data directory or the packages, though they may have a view of their own; undefined: nothing. */
export function unreachable(data: string): string | undefined {
  for (const kept of [data, fs.realpathSync(path.join(ROOT, "node_modules"))]) {
    const closed = closedOnTheWay(kept);
    if (closed !== undefined && (closed === kept || !available().mount)) return closed;
  }
  return undefined;
}

/** Node's seat belt: exactly these paths. Unix sockets count as network for it, so every role has --allow-net; what keeps roles off
 * the network is their namespace. */
function permissions(reads: readonly string[], writes: readonly string[]): readonly string[] {
  // the packages may be elsewhere, behind a symbolic link: Node asks for both names of them
  const code = new Set(
    CODE.map((name) => path.join(ROOT, name)).flatMap((name) => [name, fs.realpathSync(name)]),
  );
  return [
    "--permission",
    "--allow-net",
    ...[...code, ...reads, ...writes].map((at) => `--allow-fs-read=${at}`),
    ...writes.map((at) => `--allow-fs-write=${at}`),
  ];
}
