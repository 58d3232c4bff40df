// A real pipe to read what a child prints. What Node calls a pipe is a pair of sockets, and a shell cannot open /dev/stderr on a socket.

import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { Trouble } from "#base/problem.ts";

const { O_RDONLY, O_NONBLOCK, O_WRONLY } = fs.constants;

export interface Pipe {
  /** Ends when nobody can write any more. */
  readonly output: net.Socket;
  /** For the child; to be closed here once it has been started. */
  readonly input: number;
}

/** Trouble when it cannot be made. */
export async function makePipe(): Promise<Pipe> {
  const at = path.join(tmpdir(), `kenro-${randomBytes(12).toString("hex")}`);
  await new Promise<void>((resolve, reject) => {
    execFile("mkfifo", ["-m", "600", at], (error) => {
      if (error) reject(Trouble.from("make a pipe", error));
      else resolve();
    });
  });
  let read: number | undefined;
  try {
    // a reader first, so that the writer does not wait for one
    read = fs.openSync(at, O_RDONLY | O_NONBLOCK);
    const input = fs.openSync(at, O_WRONLY);
    return { output: new net.Socket({ fd: read, readable: true, writable: false }), input };
  } catch (thrown) {
    if (read !== undefined) fs.closeSync(read);
    throw Trouble.from("make a pipe", thrown);
  } finally {
    fs.rmSync(at, { force: true });
  }
}
