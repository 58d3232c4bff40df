// Files of a user, read with his rights: what he has put in their place must not hold us, and says itself what it is.

import fs from "node:fs";
import { codeOf, Trouble } from "#base/problem.ts";

const { O_RDONLY, O_NONBLOCK } = fs.constants;

/** Codes by which the system says that there is no such file. */
const MISSING: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "ENAMETOOLONG", "ELOOP", "ENXIO"]);

export interface OwnFile {
  /** At most `most` bytes. */
  readonly bytes: Buffer;
  readonly mode: number;
}

/** A file of bytes, through symbolic links; undefined when there is none. Trouble when that cannot be known or it is closed to us. */
export function readOwnFile(path: string, most: number): OwnFile | undefined {
  let fd: number;
  try {
    // a pipe that nobody writes must not hold us
    fd = fs.openSync(path, O_RDONLY | O_NONBLOCK);
  } catch (thrown) {
    if (MISSING.has(codeOf(thrown) ?? "")) return undefined;
    throw Trouble.from(`open ${path}`, thrown);
  }
  try {
    const found = fs.fstatSync(fd);
    if (!found.isFile()) return undefined;
    return { bytes: readUpTo(fd, most), mode: found.mode };
  } catch (thrown) {
    throw Trouble.from(`read ${path}`, thrown);
  } finally {
    fs.closeSync(fd);
  }
}

function readUpTo(fd: number, most: number): Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  while (size < most) {
    const chunk = Buffer.allocUnsafe(Math.min(64 * 1024, most - size));
    const length = fs.readSync(fd, chunk);
    if (length === 0) break;
    chunks.push(chunk.subarray(0, length));
    size += length;
  }
  return Buffer.concat(chunks, size);
}

/** The user number of the owner, through symbolic links; undefined: nothing is there. Trouble when that cannot be known. */
export function ownerOf(path: string): number | undefined {
  return statOrNone(path)?.uid;
}

/** Whether there is anything of this name, through symbolic links. Trouble when that cannot be known. */
export function isThere(path: string): boolean {
  return kindOf(path) !== undefined;
}

/** What is there, through symbolic links, with its mode; undefined: nothing. Trouble when that cannot be known. */
export function kindOf(path: string): { readonly directory: boolean; readonly mode: number } | undefined {
  const found = statOrNone(path);
  return found && { directory: found.isDirectory(), mode: found.mode };
}

function statOrNone(path: string): fs.Stats | undefined {
  try {
    return fs.statSync(path);
  } catch (thrown) {
    if (MISSING.has(codeOf(thrown) ?? "")) return undefined;
    throw Trouble.from(`stat ${path}`, thrown);
  }
}

/** Makes it the working directory. Trouble when it cannot be entered. */
export function enter(directory: string): void {
  try {
    process.chdir(directory);
  } catch (thrown) {
    throw Trouble.from(`enter ${directory}`, thrown);
  }
}
