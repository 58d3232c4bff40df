// Appending to a file that other programs append to as well, under the locks that they honour: `FILE.lock` (procmail, mutt, maildrop) and
// flock(2) (qmail). Node has no flock(2), but a lock belongs to the open file, not to the process: flock(1) takes it on a descriptor that
// we share with it (docs/dotqmail.md).

import { spawn } from "node:child_process";
import fs from "node:fs";
import { type Clock, pause } from "#base/clock.ts";
import { codeOf, Trouble } from "#base/problem.ts";
import { type DiskFile, fileOn } from "./disk.ts";

const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = fs.constants;

export interface AppendFile extends Pick<DiskFile, "write" | "sync" | "truncate" | "size"> {
  /** A file of bytes; a device or pipe has no size and cannot be synced. */
  readonly regular: boolean;
  /** Nobody who honours one of our locks writes to it meanwhile. */
  readonly locked: boolean;
  /** Lets go of the locks too. */
  close(): Promise<void>;
}

export interface LockOptions {
  readonly clock: Clock;
  /** ms that we wait for both locks together. */
  readonly patience: number;
  /** A `FILE.lock` is left over when it is older than this, ms. */
  readonly stale: number;
}

/** Ends of flock(1) that mean that somebody else has the lock. */
const HELD = 97;

/** How often a `FILE.lock` of somebody else is looked at. */
const LOOK = 250;

/** Opens (or makes) the file and locks it. "held": others had it all the time. Trouble when it cannot be opened. */
export async function openToAppend(filePath: string, options: LockOptions): Promise<AppendFile | "held"> {
  const end = options.clock.monotonic() + options.patience;
  const special = fs.statSync(filePath, { throwIfNoEntry: false })?.isFile() === false;
  const dot = special ? "without" : await takeDotLock(`${filePath}.lock`, end, options);
  if (dot === "held") return "held";
  const release = () => {
    if (dot === "taken") fs.rmSync(`${filePath}.lock`, { force: true });
  };
  let fd: number | undefined;
  try {
    fd = openNow(filePath);
    const file = fileOn(fd, filePath);
    const regular = fs.fstatSync(fd).isFile();
    const flocked = regular ? await flock(fd, end - options.clock.monotonic()) : "without";
    if (flocked === "held") {
      await file.close();
      release();
      return "held";
    }
    return {
      regular,
      locked: flocked === "taken" || dot === "taken",
      write: (chunks, at) => file.write(chunks, at),
      sync: () => file.sync(),
      truncate: (size) => file.truncate(size),
      size: () => file.size(),
      close: async () => {
        await file.close();
        release();
      },
    };
  } catch (thrown) {
    if (fd !== undefined) fs.closeSync(fd);
    release();
    throw thrown;
  }
}

function openNow(filePath: string): number {
  try {
    // a pipe that nobody reads must not hold us
    return fs.openSync(filePath, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o600);
  } catch (thrown) {
    throw Trouble.from(`open ${filePath}`, thrown);
  }
}

type Taken = "taken" | "held" | "without";

/** Errors by which a directory says that there shall be no lock in it; what else is wrong with it shows when the file is opened. */
const NO_LOCKS: ReadonlySet<string> = new Set([
  "EACCES",
  "EPERM",
  "EROFS",
  "ENOENT",
  "ENOTDIR",
  "ENAMETOOLONG",
]);

async function takeDotLock(lock: string, end: number, { clock, stale }: LockOptions): Promise<Taken> {
  for (;;) {
    try {
      fs.writeFileSync(lock, ownMark(), { flag: "wx", mode: 0o644 });
      return "taken";
    } catch (thrown) {
      if (NO_LOCKS.has(codeOf(thrown) ?? "")) return "without";
      if (codeOf(thrown) !== "EEXIST") throw Trouble.from(`lock ${lock}`, thrown);
    }
    if (isLeftOver(lock, clock.now() - stale)) fs.rmSync(lock, { force: true });
    else if (clock.monotonic() >= end) return "held";
    else await pause(clock, LOOK);
  }
}

/** "0" tells others that no process can be asked whether it still lives. Each user has one worker at a time, so such a lock of this user
 * belongs to one that died. */
const ownMark = (): string => `0 kenro ${process.getuid?.() ?? ""}\n`;

function isLeftOver(lock: string, before: number): boolean {
  try {
    const found = fs.statSync(lock);
    const own = found.uid === process.getuid?.() && found.size < 64;
    return found.mtimeMs < before || (own && fs.readFileSync(lock, "latin1") === ownMark());
  } catch {
    // it is gone, or closed to us; the next look tells
    return false;
  }
}

function flock(fd: number, ms: number): Promise<Taken> {
  const seconds = String(Math.max(0, ms) / 1000);
  return new Promise((resolve) => {
    const child = spawn("flock", ["-x", "-w", seconds, "-E", String(HELD), "3"], {
      stdio: ["ignore", "ignore", "ignore", fd],
    });
    // without the program, or where the file system has no such locks, as qmail: not locked
    child.on("error", () => resolve("without"));
    child.on("exit", (code) => resolve(code === 0 ? "taken" : code === HELD ? "held" : "without"));
  });
}
