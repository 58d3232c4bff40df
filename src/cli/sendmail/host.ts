// Where a program on this machine leaves its mail, and in whose name.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { limits } from "#base/limits.ts";
import { codeOf, messageOf } from "#base/problem.ts";
import type { DropHead, DropSettings } from "#store/drop/file.ts";
import { drop } from "#store/drop/places.ts";
import { isCrowded, readSettings, writeDrop } from "#store/drop/write.ts";
import { Ending } from "./sysexits.ts";

const SYSTEM = "/var/lib/kenro";

/** --dir, else KENRO_DIR, else the system's. Never ./kenro-data: programs call sendmail in directories in which others may write. */
export function hostDirectory(option: string | undefined): string {
  return path.resolve(option || process.env["KENRO_DIR"] || SYSTEM);
}

/** Where and for whom. */
export interface Host extends DropSettings {
  readonly directory: string;
}

/** The server in `directory`. Ending when there is none that takes messages. */
export async function findHost(directory: string): Promise<Host> {
  const at = path.join(directory, drop.settings);
  let settings: DropSettings | undefined;
  try {
    settings = await readSettings(directory);
  } catch (thrown) {
    throw new Ending("temporary", `Cannot read "${at}": ${messageOf(thrown)}`);
  }
  if (settings) return { directory, ...settings };
  throw fs.existsSync(path.join(directory, drop.fresh))
    ? new Ending("temporary", `The server in "${directory}" has never run; start it with: kenro start`)
    : new Ending("config", `There is no server in "${directory}"; name its data directory in KENRO_DIR`);
}

/** Who runs this program: the system says so, not the environment. */
export function userName(): string {
  try {
    return os.userInfo().username;
  } catch {
    // a number without a name
    return `uid${process.getuid?.() ?? 0}`;
  }
}

/** Leaves a message; it is durable when this resolves. Ending when it is not. */
export async function leave({ directory, maxSize }: Host, head: DropHead, message: Buffer): Promise<void> {
  if (message.length > maxSize)
    throw new Ending("unavailable", `The message is too large: this server takes at most ${maxSize} bytes`);
  try {
    if (await isCrowded(directory, process.getuid?.() ?? 0))
      throw new Ending(
        "temporary",
        `${limits.drop.perUser} of your messages wait in "${directory}": this one was not taken; start the server`,
      );
    await writeDrop(directory, head, message);
  } catch (thrown) {
    if (thrown instanceof Ending) throw thrown;
    const full = codeOf(thrown) === "ENOSPC" || codeOf(thrown) === "EDQUOT";
    throw new Ending(
      "temporary",
      full
        ? `No room for the message in "${directory}": it was not taken; try again later`
        : `Cannot leave the message, it was not taken: ${messageOf(thrown)}`,
    );
  }
}
