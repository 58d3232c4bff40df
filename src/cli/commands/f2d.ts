// kenro rules f2d: makes a directory database of a list, one empty file for each line.

import fs from "node:fs";
import path from "node:path";
import { limits } from "#base/limits.ts";
import { codeOf } from "#base/problem.ts";
import { err, ok, type Result } from "#base/result.ts";
import { listedEntries } from "#policy/feeds/entry.ts";
import { realDisk } from "#sys/disk.ts";
import { complain, print, printJson, type Run } from "../call.ts";
import { Refusal } from "../exit.ts";
import { readInput, STDIN } from "../input.ts";
import { harmless } from "../text.ts";

/** Entries are no secret, and the server is another user. */
const FILE = 0o644;
const DIRECTORY = 0o755;

interface Counts {
  made: number;
  there: number;
  refused: number;
  removed: number;
}

export const f2d: Run = async ({ args, options, json }) => {
  const [list = STDIN, directory = ""] = args;
  const bytes = await readInput(list, limits.rules.text);
  await openDirectory(directory);
  const counts: Counts = { made: 0, there: 0, refused: 0, removed: 0 };
  const listed = new Set<string>();
  for (const { line, name, text } of listedEntries(bytes)) {
    const made = name.ok ? await make(path.join(directory, name.value)) : name;
    if (made.ok) counts[made.value]++;
    else {
      counts.refused++;
      const where = list === STDIN ? "standard input" : path.basename(list);
      complain(
        `Line ${line} of ${where}: Cannot make an entry of "${harmless(text.slice(0, 300))}": ${made.error}`,
      );
    }
    if (name.ok) listed.add(name.value);
  }
  if (options["prune"] === true) counts.removed = await prune(directory, listed, counts.refused);
  await realDisk.syncDirectory(directory);
  if (json) printJson(counts);
  else print(summary(directory, counts));
  return counts.refused > 0 ? 1 : 0;
};

async function openDirectory(directory: string): Promise<void> {
  await realDisk.makeDirectory(directory, DIRECTORY);
  const found = await realDisk.stat(directory);
  if (!found?.directory) throw new Refusal(`Cannot make entries in "${directory}": it is not a directory`);
}

/** An entry may be a link to a file; a directory of that name is something else. */
async function make(entry: string): Promise<Result<"made" | "there">> {
  try {
    await (await realDisk.create(entry, FILE)).close();
    return ok("made");
  } catch (thrown) {
    if (codeOf(thrown) !== "EEXIST") throw thrown;
    const found = await realDisk.stat(entry);
    return found?.regular ? ok("there") : err("something else with this name is there");
  }
}

/** Removes entries that the list does not have; only empty files, because only those are entries for certain. */
async function prune(directory: string, listed: ReadonlySet<string>, refused: number): Promise<number> {
  // a list that is not understood, or is cut off, must not empty the database
  if (refused > 0 || listed.size === 0) {
    complain("Nothing is removed: the list has lines that were refused, or none at all");
    return 0;
  }
  let removed = 0;
  for (const name of await realDisk.list(directory)) {
    const entry = path.join(directory, name);
    const found = listed.has(name) ? undefined : fs.lstatSync(entry, { throwIfNoEntry: false });
    if (!found?.isFile() || found.size > 0) continue;
    if (await realDisk.remove(entry)) removed++;
  }
  return removed;
}

function summary(directory: string, { made, there, refused, removed }: Counts): string {
  const parts = [`${made} made`, `${there} there already`];
  if (removed > 0) parts.push(`${removed} removed`);
  if (refused > 0) parts.push(`${refused} refused`);
  return `${directory}: ${parts.join(", ")}`;
}
