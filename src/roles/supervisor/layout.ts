// The data directory: who owns which part of it, and the numbers of our users. Made before anything starts, mended at every start.

import fs from "node:fs";
import path from "node:path";
import type { SlicedRole } from "#config/slice.ts";
import { drop } from "#store/drop/places.ts";
import { type Group, numbered, roleNames, roles, type User } from "../roles.ts";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface Owners {
  /** Undefined: not root, everything runs as one user. */
  user(name: User): Owner | undefined;
  group(name: Group): number | undefined;
}

/** Numbers of our users and groups from `base` on, as roles.ts orders them; nothing when we are not root. */
export function ownersFrom(base: number, root: boolean): Owners {
  const number = (at: number) => (root ? base + at : undefined);
  return {
    user: (name) => {
      const uid = number(numbered.indexOf(name));
      return uid === undefined ? undefined : { uid, gid: uid };
    },
    group: (name) => number(numbered.indexOf(name)),
  };
}

/** Directories of roles that are open to all users of the machine (docs/drop.md, docs/dotqmail.md). */
const open: Readonly<Record<string, number>> = {
  [drop.directory]: 0o755,
  [drop.fresh]: 0o3777,
  programs: 0o755,
};

/** Who may only pass through these on the way to their own. */
const PASS = 0o711;

function directory(at: string, mode: number, owner?: { readonly uid: number; readonly gid: number }): void {
  fs.mkdirSync(at, { recursive: true });
  if (owner) fs.chownSync(at, owner.uid, owner.gid);
  // after chown, which clears the set-group-id bit
  fs.chmodSync(at, mode);
}

/** Makes what is missing below the data directory (the working directory) and sets owners and modes. */
export function makeDirectories(owners: Owners): void {
  directory(".", PASS);
  directory("run", PASS);
  directory("run/supervisor", PASS);
  // the site's; roles only read them
  directory("rules", 0o755);
  for (const role of roleNames) {
    const row = roles[role];
    directory(`run/${role}`, PASS);
    const owner = owners.user(row.user);
    for (const written of row.writes) {
      const shared = sharedGroup(role, written);
      const gid = shared === undefined ? owner?.gid : owners.group(shared);
      // set-group-id: files made there belong to the group that may read them
      const mode = open[written] ?? (shared ? 0o2750 : 0o700);
      directory(written, mode, owner && { uid: owner.uid, gid: gid ?? owner.gid });
    }
  }
}

/** The group of those who only read what `role` writes, if there are any. */
function sharedGroup(role: SlicedRole, written: string): Group | undefined {
  const readers = roleNames.filter((other) => other !== role && roles[other].reads.includes(written));
  return readers.length > 0 ? roles[readers[0] as SlicedRole].groups[0] : undefined;
}

/** The first directory on the way to `target`, itself included, that other users cannot enter, or undefined. */
export function closedOnTheWay(target: string): string | undefined {
  const parts = path.resolve(target).split("/").slice(1);
  for (let length = 0; length <= parts.length; length++) {
    const at = `/${parts.slice(0, length).join("/")}`;
    const found = fs.statSync(at, { throwIfNoEntry: false });
    if (found?.isDirectory() && (found.mode & 0o001) === 0) return at;
  }
  return undefined;
}
