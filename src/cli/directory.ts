// Which data directory a command means.

import fs from "node:fs";
import path from "node:path";
import { codeOf, messageOf } from "#base/problem.ts";
import { CONFIG_FILE } from "#config/file.ts";
import { Refusal } from "./exit.ts";

const HERE = "kenro-data";
const SYSTEM = "/var/lib/kenro";

/** The data directory a person has named: --dir, else KENRO_DIR. */
export function namedDirectory(option: string | undefined): string | undefined {
  const named = option ?? process.env["KENRO_DIR"];
  return named === "" ? undefined : named;
}

/** As an absolute path: the one that was named, else ./kenro-data; as root that one only if it is root's, else the system's. */
export function dataDirectory(named: string | undefined): string {
  if (named !== undefined) return path.resolve(named);
  const root = process.getuid?.() === 0;
  return !root || isOwnedByRoot(HERE) ? path.resolve(HERE) : SYSTEM;
}

/** Somebody may have put a kenro-data of theirs where root comes by (/tmp), with a kenro.toml that makes root give files away. */
function isOwnedByRoot(place: string): boolean {
  const found = [fs.lstatSync, fs.statSync].map((stat) => stat(place, { throwIfNoEntry: false }));
  return found.every((each) => each?.uid === 0);
}

const CLOSED = "it is closed to you; run this as its owner or as root";
const reasons: Readonly<Record<string, string>> = {
  EACCES: CLOSED,
  EPERM: CLOSED,
  ENOTDIR: "it is not a directory; give another --dir",
};

/** Makes the data directory the working directory, because socket paths are relative to it. Refusal when there is no server of ours. */
export function enter(directory: string): void {
  try {
    process.chdir(directory);
    fs.accessSync(CONFIG_FILE, fs.constants.F_OK);
  } catch (thrown) {
    if (codeOf(thrown) === "ENOENT") {
      throw new Refusal(
        `There is no server in "${directory}"; give another --dir or make one with: kenro init --dir ${directory}`,
      );
    }
    const why = reasons[codeOf(thrown) ?? ""] ?? messageOf(thrown);
    throw new Refusal(`Cannot use "${directory}": ${why}`);
  }
}
