// Files that users who do not trust each other share: made so that another user may read them, opened without falling for what
// somebody has put in their place.

import fs from "node:fs";
import nodePath from "node:path";
import { Trouble } from "#base/problem.ts";
import { type DiskFile, fileOn } from "./disk.ts";

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;

export interface Strange {
  readonly file: DiskFile;
  readonly uid: number;
  readonly size: number;
  readonly mtimeMs: number;
}

/** Why something is not opened: it is no file of bytes, or has other names; "closed": its owner has taken our rights. */
export type Flaw = "special" | "directory" | "linked" | "closed";

const flaws: Readonly<Record<string, Flaw>> = { ELOOP: "special", ENXIO: "special", EACCES: "closed" };

/** A file that somebody else made, for reading; what is wrong with it; undefined when it is gone. */
export async function openStrange(path: string): Promise<Strange | Flaw | undefined> {
  let fd: number;
  try {
    // a pipe that nobody writes must not hold us
    fd = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (thrown) {
    const trouble = Trouble.from(`open ${path}`, thrown);
    if (trouble.code === "ENOENT") return undefined;
    const flaw = flaws[trouble.code];
    if (flaw) return flaw;
    throw trouble;
  }
  const file = fileOn(fd, path);
  const found = fs.fstatSync(fd);
  const flaw = flawOf(found);
  if (flaw === undefined) return { file, uid: found.uid, size: found.size, mtimeMs: found.mtimeMs };
  await file.close();
  return flaw;
}

function flawOf(found: fs.Stats): Flaw | undefined {
  if (found.isDirectory()) return "directory";
  if (!found.isFile()) return "special";
  return found.nlink === 1 ? undefined : "linked";
}

/** A new file with exactly this mode, whatever the umask. Trouble "EEXIST" when there is one. */
export async function createShared(path: string, mode: number): Promise<DiskFile> {
  try {
    const fd = fs.openSync(path, "wx+", mode);
    fs.fchmodSync(fd, mode);
    return fileOn(fd, path);
  } catch (thrown) {
    throw Trouble.from(`create ${path}`, thrown);
  }
}

/** Whether a user owns so many names in a directory; with less than that in it nobody asks whose they are. */
export async function ownsMany(directory: string, uid: number, most: number): Promise<boolean> {
  const names = fs.readdirSync(directory);
  if (names.length < most) return false;
  const owners = names.map(
    (name) => fs.lstatSync(nodePath.join(directory, name), { throwIfNoEntry: false })?.uid,
  );
  return owners.filter((owner) => owner === uid).length >= most;
}

/** Lets everybody read a file of ours, or run it. */
export function showToAll(path: string, mode: 0o644 | 0o755 = 0o644): void {
  fs.chmodSync(path, mode);
}
