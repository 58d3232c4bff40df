// What is in a message file, with CRLF line ends: whole, in chunks, or only its header.

import type { Folder, Message } from "#store/maildir/folder.ts";
import type { DiskFile } from "#sys/disk.ts";
import { headerEnd } from "#wire/message/header.ts";
import { ToWire, toWire } from "#wire/message/unix.ts";

/** Messages up to this size are read at once; larger ones only go out in chunks. */
export const WHOLE = 64 * 1024 * 1024;
const CHUNK = 64 * 1024;
const HEADER = 16 * 1024;
/** Headers are read no further than this. */
const LONGEST_HEADER = 1024 * 1024;

async function readSome(file: DiskFile, size: number, at: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(size);
  let length = 0;
  while (length < size) {
    const got = await file.read(bytes, length, size - length, at + length);
    if (got === 0) break;
    length += got;
  }
  return bytes.subarray(0, length);
}

/** The whole message; undefined when it is gone, or too large to be taken apart. */
export async function wholeMessage(folder: Folder, message: Message): Promise<Buffer | undefined> {
  const file = await folder.open(message);
  if (!file) return undefined;
  try {
    const size = await file.size();
    return size > WHOLE ? undefined : toWire(await readSome(file, size, 0));
  } finally {
    await file.close();
  }
}

/** The header with its empty line; undefined when the message is gone. */
export async function headerOf(folder: Folder, message: Message): Promise<Buffer | undefined> {
  const file = await folder.open(message);
  if (!file) return undefined;
  try {
    for (let size = HEADER; ; size *= 4) {
      const start = await readSome(file, size, 0);
      const end = headerEnd(start);
      if (end < start.length || start.length < size || size >= LONGEST_HEADER)
        return toWire(start.subarray(0, end));
    }
  } finally {
    await file.close();
  }
}

/** The message in chunks; nothing when it is gone. */
export async function* chunksOf(folder: Folder, message: Message): AsyncGenerator<Buffer> {
  const file = await folder.open(message);
  if (!file) return;
  try {
    const codec = new ToWire();
    for (let at = 0; ; ) {
      const chunk = await readSome(file, CHUNK, at);
      if (chunk.length === 0) return;
      at += chunk.length;
      yield codec.feed(chunk);
    }
  } finally {
    await file.close();
  }
}

/** Bytes with CRLF line ends: from the name, or counted once. */
export async function wireSize(folder: Folder, message: Message): Promise<number> {
  if (message.wireSize !== undefined) return message.wireSize;
  let size = 0;
  for await (const chunk of chunksOf(folder, message)) size += chunk.length;
  message.wireSize = size;
  return size;
}

/** When it was received, ms since 1970: by its name, else by its file. */
export async function receivedAt(
  folder: Folder,
  message: Message,
  stat: (path: string) => Promise<{ readonly mtimeMs: number } | undefined>,
): Promise<number> {
  if (message.received === 0) message.received = (await stat(folder.pathOf(message)))?.mtimeMs ?? 0;
  return message.received;
}
