// Writes a message into the drop directory (docs/drop.md S2, S3), as any user of the machine.

import { randomBytes } from "node:crypto";
import path from "node:path";
import { limits } from "#base/limits.ts";
import { type Disk, readWhole, realDisk } from "#sys/disk.ts";
import { createShared, ownsMany } from "#sys/strange.ts";
import { type DropHead, type DropSettings, draftName, formatDrop, parseSettings } from "./file.ts";
import { drop } from "./places.ts";

/** Bytes of drop/settings, far more than there are. */
const SETTINGS = 4096;

/** The group, which is the queue's, may read it; others may not. */
const MODE = 0o640;

/** What the server in `directory` has published; undefined when there is none that takes messages. Trouble when it cannot be read. */
export async function readSettings(directory: string): Promise<DropSettings | undefined> {
  const bytes = await readWhole(realDisk, path.join(directory, drop.settings), SETTINGS);
  const settings = bytes && parseSettings(bytes);
  return settings?.ok ? settings.value : undefined;
}

/** Whether this user has as many messages waiting as a user may. Messages that are written at the same moment may exceed that a little. */
export const isCrowded = (
  directory: string,
  uid: number,
  most: number = limits.drop.perUser,
): Promise<boolean> => ownsMany(path.join(directory, drop.fresh), uid, most);

/** What is needed of a disk; files are shared with the queue's user. */
type Sharing = Pick<Disk, "create" | "rename" | "remove" | "syncDirectory">;

const sharing: Sharing = {
  create: createShared,
  rename: (from, to) => realDisk.rename(from, to),
  remove: (at) => realDisk.remove(at),
  syncDirectory: (at) => realDisk.syncDirectory(at),
};

export interface DropOptions {
  readonly disk?: Sharing;
  /** Of the message, for who must know it again; else by chance. */
  readonly name?: string;
}

/** Resolves when the message is durable. Trouble when it is not; then nothing of it is left. */
export async function writeDrop(
  directory: string,
  head: DropHead,
  message: Buffer,
  { disk = sharing, name = randomBytes(16).toString("hex") }: DropOptions = {},
): Promise<void> {
  const fresh = path.join(directory, drop.fresh);
  const draft = path.join(fresh, draftName(name));
  const file = await disk.create(draft, MODE);
  let at = draft;
  try {
    try {
      await file.write(formatDrop(head, message), 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await disk.rename(draft, path.join(fresh, name));
    at = path.join(fresh, name);
    await disk.syncDirectory(fresh);
  } catch (thrown) {
    await disk.remove(at).catch(() => {
      // a draft that stays is removed after a day
    });
    throw thrown;
  }
}
