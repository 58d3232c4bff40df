// What waits in the drop directory, for whoever may read it: it is not the queue's yet, and nothing is changed here.

import path from "node:path";
import { type DiskFile, readSome, realDisk } from "#sys/disk.ts";
import { openStrange, type Strange } from "#sys/strange.ts";
import { type DropHead, dropId, FIRST_LINE, isMessageName, parseHead, parseLengths } from "./file.ts";
import { drop } from "./places.ts";

export interface Waiting {
  /** That under which the queue will know it. */
  readonly id: string;
  readonly head: DropHead;
  /** Bytes of the message. */
  readonly size: number;
  readonly mtimeMs: number;
}

/** The messages below the data directory `directory`; what is none, cannot be read or has gone meanwhile is left out. */
export async function* lookAtDrop(directory: string): AsyncIterable<Waiting> {
  const fresh = path.join(directory, drop.fresh);
  for (const name of (await realDisk.list(fresh)).filter(isMessageName)) {
    const found = await openStrange(path.join(fresh, name));
    if (found === undefined || typeof found === "string") continue;
    const waiting = await look(name, found).finally(() => found.file.close());
    if (waiting) yield waiting;
  }
}

async function look(name: string, strange: Strange): Promise<Waiting | undefined> {
  const { file, size, mtimeMs } = strange;
  const lengths = parseLengths(await part(file, 0, Math.min(size, FIRST_LINE)), size);
  if (!lengths.ok) return undefined;
  const { start, head, body } = lengths.value;
  const said = parseHead(await part(file, start, head));
  return said.ok ? { id: dropId(name, strange), head: said.value, size: body, mtimeMs } : undefined;
}

const part = (file: DiskFile, from: number, length: number): Promise<Buffer> => readSome(file, length, from);
