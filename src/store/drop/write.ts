// Writes a message into the drop directory (docs/drop.md S2, S3), as any user of the machine.

import { randomBytes } from "node:crypto";
import path from "node:path";
import { readWhole, realDisk } from "#sys/disk.ts";
import { createShared } from "#sys/strange.ts";
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

/** Resolves when the message is durable. Trouble when it is not; then nothing of it is left. */
export async function writeDrop(directory: string, head: DropHead, message: Buffer): Promise<void> {
  const fresh = path.join(directory, drop.fresh);
  const name = randomBytes(16).toString("hex");
  const draft = path.join(fresh, draftName(name));
  const file = await createShared(draft, MODE);
  let at = draft;
  try {
    try {
      await file.write(formatDrop(head, message), 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await realDisk.rename(draft, path.join(fresh, name));
    at = path.join(fresh, name);
    await realDisk.syncDirectory(fresh);
  } catch (thrown) {
    await realDisk.remove(at).catch(() => {
      // a draft that stays is removed after a day
    });
    throw thrown;
  }
}
