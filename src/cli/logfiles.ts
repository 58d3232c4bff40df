// The log as it lies in log/<role>/, read line by line in the order of its stamps, and followed while it grows.

import fs from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { codeOf, Trouble } from "#base/problem.ts";

const CURRENT = "current";
const CLOSED = /^@[0-9a-f]{24}\.[su]$/;
/** "@" and 24 digits. */
const STAMP_LENGTH = 25;
/** More of a file is not read at once; far longer than a line. */
const CHUNK = 1 << 20;

const stampOf = (line: string): string => line.slice(0, STAMP_LENGTH);

/** Directories of roles that have written something; Trouble when we may not look. */
function roleDirectories(log: string): readonly string[] {
  try {
    return fs
      .readdirSync(log, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => path.join(log, entry.name));
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") return [];
    throw Trouble.from(`read ${log}`, thrown);
  }
}

async function* linesOfFile(file: string, size: number | undefined): AsyncGenerator<string> {
  if (size === 0) return;
  const end = size === undefined ? {} : { end: size - 1 };
  const stream = fs.createReadStream(file, { highWaterMark: 1 << 18, ...end });
  stream.on("error", () => {
    // thrown below by the reader
  });
  yield* createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
}

async function* linesOfRole(directory: string, size: number | undefined): AsyncGenerator<string> {
  const closed = fs.readdirSync(directory).filter((name) => CLOSED.test(name));
  for (const name of [...closed.sort(), CURRENT]) {
    const file = path.join(directory, name);
    // removed or renamed while we read the others
    if (fs.existsSync(file)) yield* linesOfFile(file, name === CURRENT ? size : undefined);
  }
}

interface Head {
  readonly lines: AsyncGenerator<string>;
  line: string;
}

/** All lines of all roles, oldest first; up to where a follower goes on, if one is given. */
export async function* allLines(log: string, follower?: Follower): AsyncGenerator<string> {
  const heads: Head[] = [];
  for (const directory of roleDirectories(log)) {
    const lines = linesOfRole(directory, follower?.start.get(directory));
    const first = await lines.next();
    if (!first.done) heads.push({ lines, line: first.value });
  }
  while (heads.length > 0) {
    const oldest = heads.reduce((a, b) => (stampOf(b.line) < stampOf(a.line) ? b : a));
    yield oldest.line;
    const next = await oldest.lines.next();
    if (next.done) heads.splice(heads.indexOf(oldest), 1);
    else oldest.line = next.value;
  }
}

/** Where one role's `current` has been read to. */
class Tail {
  readonly #directory: string;
  #fd: number | undefined;
  #inode = 0;
  #at = 0;

  constructor(directory: string, fromEnd: boolean) {
    this.#directory = directory;
    this.#open();
    if (fromEnd && this.#fd !== undefined) this.#at = fs.fstatSync(this.#fd).size;
  }

  get at(): number {
    return this.#at;
  }

  /** Lines that have come since the last time; a file that was closed meanwhile is read to its end first. */
  read(): readonly string[] {
    const lines = this.#readOn();
    const now = fs.statSync(path.join(this.#directory, CURRENT), { throwIfNoEntry: false });
    if (now && now.ino !== this.#inode) {
      lines.push(...this.#readOn());
      this.#open();
      lines.push(...this.#readOn());
    }
    return lines;
  }

  close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd);
    this.#fd = undefined;
  }

  #open(): void {
    this.close();
    try {
      this.#fd = fs.openSync(path.join(this.#directory, CURRENT), "r");
    } catch (thrown) {
      if (codeOf(thrown) === "ENOENT") return;
      throw Trouble.from(`read ${this.#directory}`, thrown);
    }
    this.#inode = fs.fstatSync(this.#fd).ino;
    this.#at = 0;
  }

  #readOn(): string[] {
    if (this.#fd === undefined) return [];
    const chunk = Buffer.allocUnsafe(CHUNK);
    const lines: string[] = [];
    for (;;) {
      const length = fs.readSync(this.#fd, chunk, 0, CHUNK, this.#at);
      if (length === 0) return lines;
      // whole lines only: a character of several bytes may be cut at the end
      const end = chunk.lastIndexOf(0x0a, length - 1) + 1;
      if (end === 0) return lines;
      this.#at += end;
      for (const line of chunk.toString("utf8", 0, end - 1).split("\n")) lines.push(line);
    }
  }
}

/** Follows all roles; also those that write their first line later. */
export class Follower {
  readonly #log: string;
  readonly #tails = new Map<string, Tail>();

  /** Bytes of each role's `current` that were there at the beginning. */
  readonly start = new Map<string, number>();

  /** Begins behind what is there now. */
  constructor(log: string) {
    this.#log = log;
    this.#look(true);
  }

  /** What has come since the last time, in order. */
  read(): readonly string[] {
    this.#look(false);
    const lines = [...this.#tails.values()].flatMap((tail) => tail.read());
    return lines.sort((a, b) => (stampOf(a) < stampOf(b) ? -1 : Number(stampOf(a) > stampOf(b))));
  }

  #look(fromEnd: boolean): void {
    for (const directory of roleDirectories(this.#log)) {
      if (this.#tails.has(directory)) continue;
      const tail = new Tail(directory, fromEnd);
      this.#tails.set(directory, tail);
      if (fromEnd) this.start.set(directory, tail.at);
    }
  }
}
