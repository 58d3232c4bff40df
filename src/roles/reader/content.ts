// What is in a message file, with CRLF line ends: whole, a range of it in chunks, or only its header.

import { limits } from "#base/limits.ts";
import type { Folder, Message } from "#store/maildir/folder.ts";
import { type DiskFile, readSome } from "#sys/disk.ts";
import { headerEnd } from "#wire/message/header.ts";
import { ToWire, toWire } from "#wire/message/unix.ts";

/** Messages up to this size are read at once; larger ones only go out in chunks. */
export const WHOLE = 64 * 1024 * 1024;
const CHUNK = 64 * 1024;
const HEADER = 16 * 1024;

async function withFile<T>(
  folder: Folder,
  message: Message,
  use: (file: DiskFile) => Promise<T>,
): Promise<T | undefined> {
  const file = await folder.open(message);
  if (!file) return undefined;
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** The whole message; undefined when it is gone, or too large to be taken apart. Corrects a size that its name tells wrong. */
export async function wholeMessage(folder: Folder, message: Message): Promise<Buffer | undefined> {
  const bytes = await withFile(folder, message, async (file) => {
    const size = await file.size();
    if (size > WHOLE) return undefined;
    return size <= CHUNK ? toWire(await readSome(file, size, 0)) : gather(file, size);
  });
  if (bytes) message.wireSize = bytes.length;
  return bytes;
}

/** A large file in chunks, so that the intermediate forms of its bytes stay small. */
async function gather(file: DiskFile, size: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const codec = new ToWire();
  for (let at = 0; at < size; ) {
    const chunk = await readSome(file, CHUNK, at);
    if (chunk.length === 0) break;
    at += chunk.length;
    chunks.push(codec.feed(chunk));
  }
  return Buffer.concat(chunks);
}

/** The header with its empty line; undefined when the message is gone. No more of it than a message may have. */
export function headerOf(folder: Folder, message: Message): Promise<Buffer | undefined> {
  return withFile(folder, message, async (file) => {
    for (let size = HEADER; ; size *= 4) {
      const start = await readSome(file, size, 0);
      const end = headerEnd(start);
      if (end < start.length || start.length < size || size >= limits.smtp.headerBytes)
        return toWire(start.subarray(0, end));
    }
  });
}

/** A place in a message where reading can go on: the same byte, counted with CRLF and in the file. */
export interface Place {
  readonly wire: number;
  readonly file: number;
  readonly afterCr: boolean;
}

export const BEGINNING: Place = { wire: 0, file: 0, afterCr: false };

/**
 * The bytes from `start` up to `end` (with CRLF) in chunks; nothing when the message is gone. Reads from `place` on, which must not
 * lie behind `start`, and tells the last place it came by.
 */
export async function* rangeOf(
  folder: Folder,
  message: Message,
  { start, end, place }: { readonly start: number; readonly end: number; readonly place: Place },
): AsyncGenerator<Buffer, Place> {
  const file = await folder.open(message);
  if (!file) return BEGINNING;
  let here = place;
  try {
    while (here.wire < end) {
      const codec = new ToWire(here.afterCr);
      const chunk = await readSome(file, CHUNK, here.file);
      if (chunk.length === 0) break;
      const bytes = codec.feed(chunk);
      const next = {
        wire: here.wire + bytes.length,
        file: here.file + chunk.length,
        afterCr: codec.afterCr,
      };
      if (next.wire > start) {
        yield bytes.subarray(Math.max(0, start - here.wire), Math.min(bytes.length, end - here.wire));
      }
      if (next.wire > end) break;
      here = next;
    }
    return here;
  } finally {
    await file.close();
  }
}

/** The message in chunks; nothing when it is gone. A small one is read at once. */
export async function* chunksOf(folder: Folder, message: Message): AsyncGenerator<Buffer> {
  if ((message.wireSize ?? CHUNK) < CHUNK) {
    const whole = await wholeMessage(folder, message);
    if (whole) yield whole;
    return;
  }
  yield* rangeOf(folder, message, { start: 0, end: Number.POSITIVE_INFINITY, place: BEGINNING });
}

/** Bytes with CRLF line ends: from the name or the list of UIDs, or counted once. */
export async function wireSize(folder: Folder, message: Message): Promise<number> {
  if (message.wireSize !== undefined) return message.wireSize;
  let size = 0;
  for await (const chunk of chunksOf(folder, message)) size += chunk.length;
  if (!message.gone) message.wireSize = size;
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
