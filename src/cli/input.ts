// Files that a command is given to read.

import fs from "node:fs";
import { codeOf, messageOf } from "#base/problem.ts";
import { Refusal } from "./exit.ts";

/** What stands for standard input. */
export const STDIN = "-";

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file",
  EISDIR: "it is a directory",
  EACCES: "it is closed to you",
};

/** All bytes of a file, a pipe or standard input. Refusal when it cannot be read or is longer than `most`. */
export async function readInput(file: string, most: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    const stream = file === STDIN ? process.stdin : fs.createReadStream(file);
    for await (const chunk of stream) {
      const bytes = Buffer.from(chunk);
      chunks.push(bytes);
      size += bytes.length;
      if (size > most) throw new Refusal(`Cannot read "${file}": it is longer than ${most} bytes`);
    }
  } catch (thrown) {
    if (thrown instanceof Refusal) throw thrown;
    const why = reasons[codeOf(thrown) ?? ""];
    throw new Refusal(`Cannot read "${file}": ${why ?? messageOf(thrown)}`, why === undefined ? 111 : 1);
  }
  return Buffer.concat(chunks);
}
