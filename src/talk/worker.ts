// worker: lspawn gives one message for its user to a worker that runs with the user's rights, and hears what became of it. Whatever a worker
// says may be made up by its user. Each message has a stream number of its own.

import { limits } from "#base/limits.ts";
import {
  flag,
  integer,
  list,
  oneOf,
  record,
  type Shape,
  type Shaped,
  text,
  union,
  word,
} from "#base/shape.ts";

/** lspawn → worker: the letter, its body in pieces, its end. */
export const LETTER = 1;
export const BODY = 2;
export const END = 3;
/** worker → lspawn: a line is done; lspawn → worker: that is durable. */
export const MARK = 4;
export const MARKED = 5;
/** worker → lspawn. */
export const DONE = 6;

const path = text(4096);

export const letterShape = record({
  user: text(255),
  home: path,
  local: text(512),
  host: text(255),
  dash: text(64),
  extension: text(1024),
  sender: text(512),
  id: text(64),
  arrived: integer(0),
  index: integer(0),
  again: flag,
  hostname: text(255),
  /** Bytes of the body, as it is sent. */
  size: integer(0),
  otherwise: text(limits.dotqmail.file),
  searchPath: text(8192),
  memory: integer(1),
  processes: integer(1),
  fileSize: integer(1),
  /** Seconds. */
  cpu: integer(1),
  /** ms */
  time: integer(1),
  /** Keys of lines that are done. */
  done: list(text(64), limits.lspawn.keys),
});

export type WorkerLetter = Shaped<typeof letterShape>;

export const markShape = record({ key: text(64) });

const report = text(4 * limits.dotqmail.output);

const done = record({
  kind: word("done"),
  report,
  forwards: list(text(512), limits.forward.recipients),
  owner: oneOf("none", "owner", "verp"),
});
const failed = record({ kind: word("failed"), report });
const deferred = record({ kind: word("deferred"), report });

export type WorkerResult = Shaped<typeof done> | Shaped<typeof failed> | Shaped<typeof deferred>;

export const resultShape: Shape<WorkerResult> = union<WorkerResult>({ done, failed, deferred });
