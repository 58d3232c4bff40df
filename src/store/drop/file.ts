// The drop directory: messages of the users of this machine, written by `kenro sendmail`, taken by the queue (docs/drop.md).
// A file is `kenro-drop 1 HEAD BODY\n` with two lengths, then HEAD bytes of JSON, then BODY bytes of message.

import { limits } from "#base/limits.ts";
import { err, ok, type Result } from "#base/result.ts";
import { integer, list, optional, readJson, record, type Shaped, text } from "#base/shape.ts";
import { messageFields, recipientFields } from "#wire/envelope.ts";

const settingsShape = record({
  /** Name of this machine. */
  hostname: text(255),
  /** What completes addresses without a domain. */
  domain: text(255),
  /** What completes hosts without a dot, and those that end in "+" (docs/inject.md); missing in what an older server has written. */
  defaultDomain: optional(text(255)),
  plusDomain: optional(text(255)),
  /** Bytes of a message. */
  maxSize: integer(1),
});

/** What programs that drop messages must know of the server. */
export type DropSettings = Shaped<typeof settingsShape>;

/** The settings as the queue has written them. */
export const parseSettings = (bytes: Buffer): Result<DropSettings> => readJson(settingsShape, bytes);

export const formatSettings = (settings: DropSettings): Buffer =>
  Buffer.from(`${JSON.stringify(settings)}\n`);

const { sender, body, utf8, ret, envid } = messageFields;
const { address, notify } = recipientFields;

const headShape = record({
  sender,
  body,
  utf8,
  ret,
  envid,
  recipients: list(record({ address, notify }), limits.drop.recipients),
});

/** The part of an envelope that a user of the machine may choose. */
export type DropHead = Shaped<typeof headShape>;

/** The name of a message, and of its draft. */
export const isMessageName = (name: string): boolean => /^[0-9a-f]{32}$/.test(name);
export const isDraftName = (name: string): boolean => /^t[0-9a-f]{32}$/.test(name);
export const draftName = (name: string): string => `t${name}`;

/** The bytes of a file. */
export function formatDrop(head: DropHead, message: Buffer): readonly Buffer[] {
  const json = Buffer.from(JSON.stringify(head));
  return [Buffer.from(`kenro-drop 1 ${json.length} ${message.length}\n`), json, message];
}

/** Bytes of the first line, at most. */
export const FIRST_LINE = 48;

export interface DropLengths {
  /** Where the head begins. */
  readonly start: number;
  readonly head: number;
  readonly body: number;
}

/** What the first bytes of a file of `size` bytes say; an error when it is no message. */
export function parseLengths(bytes: Buffer, size: number): Result<DropLengths> {
  const line = /^kenro-drop 1 (\d{1,7}) (\d{1,15})\n/.exec(bytes.toString("latin1", 0, FIRST_LINE));
  if (!line) return err("It does not begin as a message");
  const [start, head, length] = [line[0].length, Number(line[1]), Number(line[2])];
  if (head > limits.drop.head) return err("Its envelope is too long");
  return start + head + length === size
    ? ok({ start, head, body: length })
    : err("Its size is not what its first line says");
}

/** The envelope of a message. */
export const parseHead = (bytes: Buffer): Result<DropHead> => readJson(headShape, bytes);

/** Under which id the queue knows a message: the same however often it finds the file, another one for another file of this name. */
export const dropId = (name: string, { mtimeMs }: { readonly mtimeMs: number }): string =>
  `drop-${name}-${Math.round(mtimeMs * 1000).toString(36)}`;
