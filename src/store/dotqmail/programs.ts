// The programs for .qmail files, as scripts that call the command line of ours.

import path from "node:path";
import { type Disk, replaceSynced } from "#sys/disk.ts";
import { showToAll } from "#sys/strange.ts";

/** What qmail-command(8) and its kin offer. */
export const helperNames = [
  "bouncesaying",
  "condredirect",
  "except",
  "forward",
  "preline",
  "qreceipt",
] as const;

export interface Caller {
  /** Node and its options, and the command line's main file. */
  readonly command: readonly string[];
  /** Where the server is. */
  readonly data: string;
}

/** Puts one script for each into a directory; all users may run them. */
export async function writePrograms(disk: Disk, directory: string, { command, data }: Caller): Promise<void> {
  const words = command.map(quoted).join(" ");
  for (const name of helperNames) {
    const script = `#!/bin/sh\nKENRO_DIR=${quoted(data)} exec ${words} ${name} "$@"\n`;
    const at = path.join(directory, name);
    await replaceSynced(disk, at, Buffer.from(script), 0o755);
    showToAll(at, 0o755);
  }
}

/** A word of sh. */
const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;
