// Symbolic links that change as a whole.

import fs from "node:fs";
import path from "node:path";
import { Trouble } from "#base/problem.ts";
import { realDisk } from "./disk.ts";

/** Lets the link at `link` lead to `target` (relative to where the link is). Whoever looks sees the old one or the new one; it survives a
 * crash when this resolves. */
export async function pointTo(link: string, target: string): Promise<void> {
  const beside = path.join(path.dirname(link), `.${path.basename(link)}.link`);
  try {
    fs.rmSync(beside, { force: true });
    fs.symlinkSync(target, beside);
  } catch (thrown) {
    throw Trouble.from(`link ${link}`, thrown);
  }
  await realDisk.rename(beside, link);
  await realDisk.syncDirectory(path.dirname(link));
}

/** Where a link leads; undefined when there is none. */
export function targetOf(link: string): string | undefined {
  const found = fs.lstatSync(link, { throwIfNoEntry: false });
  return found?.isSymbolicLink() ? fs.readlinkSync(link) : undefined;
}
