// The durable verbs. Everything that must survive a crash goes through a Disk, whose verbs say what survives; tests inject one that breaks.

import fs from "node:fs";
import path from "node:path";
import { codeOf, Trouble } from "#base/problem.ts";

export interface DiskFile {
  /** Reads up to `length` bytes at `position` into `into`; the number read (0 at the end). */
  read(into: Buffer, offset: number, length: number, position: number): Promise<number>;
  /** Writes all chunks, one behind the other, at `position`. They survive a crash only after a sync. */
  write(chunks: readonly Buffer[], position: number): Promise<void>;
  /** What was written to existing bytes of this file survives from now on (fdatasync). A failure is final: what is on disk is unknown. */
  syncData(): Promise<void>;
  /** As syncData, with size and times (fsync). The name survives only after syncDirectory. */
  sync(): Promise<void>;
  truncate(size: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface DiskStat {
  readonly size: number;
  readonly mtimeMs: number;
  /** When anything of it changed: bytes, name, owner. Nobody can set this time. */
  readonly changedMs: number;
  /** Two names are one file when this is the same. */
  readonly inode: number;
  /** The file system. */
  readonly device: number;
  readonly directory: boolean;
  /** A file of bytes: no directory, and no pipe or device, whose reading may never end. */
  readonly regular: boolean;
}

/** All verbs reject with Trouble. A path that is not there is undefined where the type says so. */
export interface Disk {
  /** A new file, readable and writable; Trouble "EEXIST" when there is one. */
  create(path: string, mode: number): Promise<DiskFile>;
  /** An existing file, readable and writable. */
  open(path: string): Promise<DiskFile>;
  openRead(path: string): Promise<DiskFile | undefined>;
  /** Atomic replacement; survives a crash after syncDirectory. */
  rename(from: string, to: string): Promise<void>;
  /** A second name; Trouble "EEXIST" when `to` is there. */
  link(from: string, to: string): Promise<void>;
  /** True when there was something to remove. */
  remove(path: string): Promise<boolean>;
  /** Removes a directory with all that is in it; nothing there is no trouble. */
  removeTree(path: string): Promise<void>;
  /** Makes a directory and those above it that are missing, and syncs the one above each it makes. */
  makeDirectory(path: string, mode: number): Promise<void>;
  /** The names in a directory (created, renamed, removed) survive from now on. */
  syncDirectory(path: string): Promise<void>;
  /** Names in a directory, unsorted; empty when it is not there. */
  list(path: string): Promise<readonly string[]>;
  stat(path: string): Promise<DiskStat | undefined>;
  /** Bytes that we may still write. */
  free(path: string): Promise<number>;
}

type Callback<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

export const statOf = (found: fs.Stats): DiskStat => ({
  size: found.size,
  mtimeMs: found.mtimeMs,
  changedMs: found.ctimeMs,
  inode: found.ino,
  device: found.dev,
  directory: found.isDirectory(),
  regular: found.isFile(),
});

/** Callbacks instead of fs/promises: half the CPU on the queue's and local's hot path (no FileHandle objects). */
function call<T>(operation: string, start: (done: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const done: Callback<T> = (error, value) => {
      if (error) reject(Trouble.from(operation, error));
      else resolve(value);
    };
    try {
      start(done);
    } catch (thrown) {
      reject(Trouble.from(operation, thrown));
    }
  });
}

/** Writes of less than this run on this thread: they fill the kernel's memory in less time than it takes to have another thread do it. */
const QUICK = 32 * 1024;

/** The most buffers one writev(2) takes. */
export const IOV_MAX = 1024;

class RealFile implements DiskFile {
  readonly #fd: number;
  readonly #path: string;

  constructor(fd: number, filePath: string) {
    this.#fd = fd;
    this.#path = filePath;
  }

  read(into: Buffer, offset: number, length: number, position: number): Promise<number> {
    return call(`read ${this.#path}`, (done) => fs.read(this.#fd, into, offset, length, position, done));
  }

  async write(chunks: readonly Buffer[], position: number): Promise<void> {
    let at = position;
    for (let first = 0; first < chunks.length; first += IOV_MAX) {
      at += await this.#writeSome(chunks.slice(first, first + IOV_MAX), at);
    }
  }

  syncData(): Promise<void> {
    return call(`sync ${this.#path}`, (done) => fs.fdatasync(this.#fd, (error) => done(error, undefined)));
  }

  sync(): Promise<void> {
    return call(`sync ${this.#path}`, (done) => fs.fsync(this.#fd, (error) => done(error, undefined)));
  }

  truncate(size: number): Promise<void> {
    return call(`truncate ${this.#path}`, (done) =>
      fs.ftruncate(this.#fd, size, (error) => done(error, undefined)),
    );
  }

  async size(): Promise<number> {
    const stat = await call<fs.Stats>(`stat ${this.#path}`, (done) => fs.fstat(this.#fd, done));
    return stat.size;
  }

  close(): Promise<void> {
    return call(`close ${this.#path}`, (done) =>
      fs.close(this.#fd, (error) => done(error ?? null, undefined)),
    );
  }

  /** writev(2) may write less than asked (a full disk does so before it says ENOSPC). */
  async #writeSome(chunks: readonly Buffer[], position: number): Promise<number> {
    const quick = chunks.reduce((sum, { length }) => sum + length, 0) < QUICK;
    let left = chunks;
    let written = 0;
    while (left.length > 0) {
      const now = await call<number>(`write ${this.#path}`, (done) => {
        if (quick) done(null, fs.writevSync(this.#fd, left, position + written));
        else fs.writev(this.#fd, left, position + written, (error, bytes) => done(error, bytes));
      });
      written += now;
      left = skip(left, now);
    }
    return written;
  }
}

/** A descriptor that is open already. */
export const fileOn = (fd: number, filePath: string): DiskFile => new RealFile(fd, filePath);

/** The chunks without their first `bytes` bytes. */
export function skip(chunks: readonly Buffer[], bytes: number): readonly Buffer[] {
  let left = bytes;
  let first = 0;
  for (; first < chunks.length; first++) {
    const length = chunks[first]?.length ?? 0;
    if (left < length) break;
    left -= length;
  }
  const rest = chunks.slice(first);
  const head = rest[0];
  return head && left > 0 ? [head.subarray(left), ...rest.slice(1)] : rest;
}

const missing = (trouble: unknown): undefined => {
  if (codeOf(trouble) === "ENOENT") return undefined;
  throw trouble;
};

async function openFile(filePath: string, flags: string, mode?: number): Promise<DiskFile> {
  const fd = await call<number>(`open ${filePath}`, (done) => fs.open(filePath, flags, mode ?? 0o600, done));
  return new RealFile(fd, filePath);
}

async function makeDirectory(directory: string, mode: number): Promise<void> {
  const parent = path.dirname(directory);
  const made = await call(`make ${directory}`, (done: Callback<void>) =>
    fs.mkdir(directory, { mode }, (error) => done(error, undefined)),
  ).then(
    () => true,
    async (trouble: unknown) => {
      if (codeOf(trouble) === "EEXIST") return false;
      if (codeOf(trouble) !== "ENOENT" || parent === directory) throw trouble;
      await makeDirectory(parent, mode);
      await makeDirectory(directory, mode);
      return false;
    },
  );
  if (made) await syncDirectory(parent);
}

async function syncDirectory(directory: string): Promise<void> {
  const fd = await call<number>(`open ${directory}`, (done) => fs.open(directory, "r", done));
  try {
    await call<void>(`sync ${directory}`, (done) => fs.fsync(fd, (error) => done(error, undefined)));
  } finally {
    fs.closeSync(fd);
  }
}

export const realDisk: Disk = {
  create: (filePath, mode) => openFile(filePath, "wx+", mode),
  open: (filePath) => openFile(filePath, "r+"),
  openRead: (filePath) => openFile(filePath, "r").catch(missing),
  rename: (from, to) =>
    call(`rename ${from}`, (done) => fs.rename(from, to, (error) => done(error, undefined))),
  link: (from, to) => call(`link ${from}`, (done) => fs.link(from, to, (error) => done(error, undefined))),
  remove: (filePath) =>
    call<void>(`remove ${filePath}`, (done) => fs.unlink(filePath, (error) => done(error, undefined))).then(
      () => true,
      (trouble) => missing(trouble) ?? false,
    ),
  removeTree: (directory) =>
    call<void>(`remove ${directory}`, (done) =>
      fs.rm(directory, { recursive: true, force: true }, (error) => done(error, undefined)),
    ),
  makeDirectory,
  syncDirectory,
  list: (directory) =>
    call<string[]>(`list ${directory}`, (done) => fs.readdir(directory, done)).catch(
      (trouble) => missing(trouble) ?? [],
    ),
  stat: (filePath) =>
    call<fs.Stats>(`stat ${filePath}`, (done) => fs.stat(filePath, done)).then(statOf, missing),
  free: async (filePath) => {
    const found = await call<fs.StatsFs>(`stat ${filePath}`, (done) => fs.statfs(filePath, done));
    return found.bavail * found.bsize;
  },
};

/** As `realDisk` for roles under --permission, in which Node has no fsync (docs/decisions/0004): directories are made without. For what may be
 * lost with the power. */
export const looseDisk: Disk = {
  ...realDisk,
  makeDirectory: (directory, mode) =>
    call(`make ${directory}`, (done) =>
      fs.mkdir(directory, { mode, recursive: true }, (error) => done(error, undefined)),
    ),
};

/** Replaces a file as a whole; the new one survives a crash when it resolves, and until then the old one does. */
export async function replaceSynced(
  disk: Disk,
  filePath: string,
  bytes: Buffer,
  mode = 0o600,
): Promise<void> {
  const beside = `${filePath}.kenro`;
  await writeAnew(disk, beside, bytes, { mode, sync: true });
  await disk.rename(beside, filePath);
  await disk.syncDirectory(path.dirname(filePath));
}

/** As `replaceSynced`, by way of the file `beside`, but a power cut may take both: for what may be lost. */
export async function replaceLoosely(
  disk: Disk,
  filePath: string,
  beside: string,
  bytes: Buffer,
): Promise<void> {
  await writeAnew(disk, beside, bytes, { mode: 0o600, sync: false });
  await disk.rename(beside, filePath);
}

async function writeAnew(
  disk: Disk,
  filePath: string,
  bytes: Buffer,
  { mode, sync }: { readonly mode: number; readonly sync: boolean },
): Promise<void> {
  const file = await createAnew(disk, filePath, mode);
  try {
    await file.write([bytes], 0);
    if (sync) await file.sync();
  } finally {
    await file.close();
  }
}

/** A new file; one of the same name that a crash left behind is removed first. */
export async function createAnew(disk: Disk, filePath: string, mode: number): Promise<DiskFile> {
  try {
    return await disk.create(filePath, mode);
  } catch (trouble) {
    if (codeOf(trouble) !== "EEXIST") throw trouble;
    await disk.remove(filePath);
    return disk.create(filePath, mode);
  }
}

/** A file's bytes, at most `most`; undefined when there is no such file. */
export async function readWhole(disk: Disk, filePath: string, most: number): Promise<Buffer | undefined> {
  const file = await disk.openRead(filePath);
  if (!file) return undefined;
  try {
    return await readSome(file, Math.min(await file.size(), most), 0);
  } finally {
    await file.close();
  }
}

/** `size` bytes from the place `at` on, or as many as there are. */
export async function readSome(file: DiskFile, size: number, at: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(size);
  let length = 0;
  while (length < size) {
    const got = await file.read(bytes, length, size - length, at + length);
    if (got === 0) break;
    length += got;
  }
  return bytes.subarray(0, length);
}
