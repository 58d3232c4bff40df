// The real disk for a role whose only work is disks: verbs that touch only the kernel's memory run on this thread, syncs on the pool.
// A hop to the pool and back costs 40–80 µs of CPU, more than the system call it carries; a delivery has six such calls.

import fs from "node:fs";
import { codeOf, Trouble } from "#base/problem.ts";
import { type Disk, type DiskFile, IOV_MAX, realDisk, skip, statOf } from "./disk.ts";

/** Runs it now; what it throws is Trouble. */
function at<T>(operation: string, path: string, run: () => T): Promise<T> {
  try {
    return Promise.resolve(run());
  } catch (thrown) {
    return Promise.reject(Trouble.from(`${operation} ${path}`, thrown));
  }
}

function atUnlessMissing<T>(operation: string, path: string, run: () => T): Promise<T | undefined> {
  return at(operation, path, () => {
    try {
      return run();
    } catch (thrown) {
      if (codeOf(thrown) === "ENOENT") return undefined;
      throw thrown;
    }
  });
}

class QuickFile implements DiskFile {
  readonly #fd: number;
  readonly #path: string;
  #open = true;

  constructor(fd: number, path: string) {
    this.#fd = fd;
    this.#path = path;
  }

  read(into: Buffer, offset: number, length: number, position: number): Promise<number> {
    return at("read", this.#path, () => fs.readSync(this.#fd, into, offset, length, position));
  }

  write(chunks: readonly Buffer[], position: number): Promise<void> {
    return at("write", this.#path, () => {
      let left = chunks;
      for (let place = position; left.length > 0; ) {
        // a full disk writes less than asked before it says ENOSPC
        const written = fs.writevSync(this.#fd, left.slice(0, IOV_MAX), place);
        left = skip(left, written);
        place += written;
      }
    });
  }

  syncData(): Promise<void> {
    return this.#pool(fs.fdatasync);
  }

  sync(): Promise<void> {
    return this.#pool(fs.fsync);
  }

  truncate(size: number): Promise<void> {
    return at("truncate", this.#path, () => fs.ftruncateSync(this.#fd, size));
  }

  size(): Promise<number> {
    return at("stat", this.#path, () => fs.fstatSync(this.#fd).size);
  }

  close(): Promise<void> {
    // a descriptor closed twice may be somebody else's the second time
    if (!this.#open) return Promise.resolve();
    this.#open = false;
    return at("close", this.#path, () => fs.closeSync(this.#fd));
  }

  #pool(sync: (fd: number, done: (error: Error | null) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      sync(this.#fd, (error) => {
        if (error) reject(Trouble.from(`sync ${this.#path}`, error));
        else resolve();
      });
    });
  }
}

const openNow = (path: string, flags: string, mode?: number): DiskFile =>
  new QuickFile(fs.openSync(path, flags, mode), path);

async function syncDirectory(path: string): Promise<void> {
  const directory = await at("open", path, () => openNow(path, "r"));
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** As `realDisk`; promises of all verbs but the syncs (and rare ones) are settled when they come back. */
export const quickDisk: Disk = {
  ...realDisk,
  create: (path, mode) => at("create", path, () => openNow(path, "wx+", mode)),
  open: (path) => at("open", path, () => openNow(path, "r+")),
  openRead: (path) => atUnlessMissing("open", path, () => openNow(path, "r")),
  rename: (from, to) => at("rename", from, () => fs.renameSync(from, to)),
  link: (from, to) => at("link", from, () => fs.linkSync(from, to)),
  remove: async (path) =>
    (await atUnlessMissing("remove", path, () => {
      fs.unlinkSync(path);
      return true;
    })) ?? false,
  syncDirectory,
  stat: (path) =>
    at("stat", path, () => {
      // to throw costs ten times what the question does, and most are asked about what is not there
      const found = fs.statSync(path, { throwIfNoEntry: false });
      return found && statOf(found);
    }),
};
