// What one role's process is allowed: its row of the table as node flags, user, network and limits.

import fs from "node:fs";
import path from "node:path";
import type { SlicedRole } from "#config/slice.ts";
import { type Child, startChild } from "#sys/child.ts";
import { roles } from "../roles.ts";
import type { Owners } from "./layout.ts";

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
      ...(row.syncs ? [] : permissions(inside(row.reads), inside(row.writes))),
      BOOT,
      role,
      String(index),
    ],
    directory: data,
    descriptors,
    owner: owner && { ...owner, groups },
    noNetwork: row.network === "none",
    files: row.files,
    // glibc would keep a heap for each thread, though one thread does nearly all
    environment: { UV_THREADPOOL_SIZE: String(row.threads), MALLOC_ARENA_MAX: "2" },
  });
}

/** Node's seat belt: exactly these paths. Unix sockets count as network for it, so every role has --allow-net; what keeps roles off
 * the network is their namespace. */
function permissions(reads: readonly string[], writes: readonly string[]): readonly string[] {
  // the packages may be elsewhere, behind a symbolic link
  const code = CODE.map((name) => fs.realpathSync(path.join(ROOT, name)));
  return [
    "--permission",
    "--allow-net",
    ...[...code, ...reads, ...writes].map((at) => `--allow-fs-read=${at}`),
    ...writes.map((at) => `--allow-fs-write=${at}`),
  ];
}
