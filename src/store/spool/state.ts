// State: what the spool knows of a message, and how it stands in the records (docs/queue.md §2).

import { limits } from "#base/limits.ts";
import { ok, type Result } from "#base/result.ts";
import { flag, integer, list, oneOf, optional, readJson, record, type Shape, text } from "#base/shape.ts";
import { type Envelope, envelopeShape } from "#wire/envelope.ts";
import type { Place } from "./place.ts";

/** "delivered": in a mailbox here. "relayed": another server has it. "handed": it has, or a message that went on from here, and reports to the sender in our
 * stead (RFC 3461 §5.2.1, §5.2.7). "expanded": it has gone on to several addresses. */
export type RecipientState = (typeof states)[number];

export interface Progress {
  readonly index: number;
  readonly state: RecipientState;
  readonly attempts: number;
  /** When it is due, ms since 1970. */
  readonly next: number;
  /** Status of the last attempt. */
  readonly code: string;
  readonly text: string;
}

export interface Head {
  readonly id: string;
  /** ms since 1970. */
  readonly arrived: number;
  readonly envelope: Envelope;
  /** Bytes of the body, `front` among them. */
  readonly size: number;
  /** The body is in `spool/body/<id>`. */
  readonly file: boolean;
  /** What stands before the bytes in that file; missing: nothing. */
  readonly front?: string | undefined;
  /** The message that ends with this record. */
  readonly ends?: string | undefined;
  /** The message that has been warned about with this record. */
  readonly warns?: string | undefined;
  /** An imported message: what had become of it where it came from. */
  readonly since?: Omit<ProgressNote, "id"> | undefined;
  /** What this record means for the message that this one has gone on from (Q14). */
  readonly passes?: Passed | undefined;
}

/** A recipient of another message that is done with. */
export interface Passed {
  readonly id: string;
  readonly recipient: Progress;
}

/** When the message began its way, ms since 1970: as it came, or when its sender let it go (RFC 4865). */
export const bornAt = ({
  arrived,
  envelope,
}: Pick<Head, "arrived"> & { readonly envelope: Pick<Envelope, "holdUntil"> }): number =>
  Math.max(arrived, envelope.holdUntil ?? 0);

export interface ProgressNote {
  readonly id: string;
  readonly warned: boolean;
  /** An administrator's order; missing: as before. */
  readonly held?: boolean | undefined;
  readonly recipients: readonly Progress[];
}

/** Where a message's record is. */
export interface Kept {
  readonly place: Place;
  /** Number of the segment, and bytes of the record there. */
  readonly segment: number;
  readonly length: number;
}

/** A live message as recovery finds it. */
export interface Stored {
  readonly head: Head;
  readonly kept: Kept;
  warned: boolean;
  held: boolean;
  /** By index; those that are missing are as on the first day. */
  progress: Map<number, Progress>;
}

export const states = ["waiting", "delivered", "relayed", "handed", "expanded", "failed"] as const;

const progressRow: Shape<Progress> = (value, where) => {
  const [index, state, attempts, next, code, reason] = list<unknown>((each) => each, 6)(value, where);
  return {
    index: integer()(index, `${where}[0]`),
    state: oneOf(...states)(state, `${where}[1]`),
    attempts: integer()(attempts, `${where}[2]`),
    next: integer()(next, `${where}[3]`),
    code: text()(code, `${where}[4]`),
    text: text()(reason, `${where}[5]`),
  };
};

const headShape = record({
  id: text(64),
  arrived: integer(),
  envelope: envelopeShape,
  size: integer(),
  file: optional(flag),
  front: optional(text(limits.queue.front)),
  ends: optional(text(64)),
  warns: optional(text(64)),
  since: optional(record({ warned: flag, held: optional(flag), recipients: list(progressRow) })),
  passes: optional(record({ id: text(64), recipient: progressRow })),
});

const noteShape = record({
  id: text(64),
  warned: optional(flag),
  held: optional(flag),
  recipients: list(progressRow),
});

const row = (each: Progress) => [each.index, each.state, each.attempts, each.next, each.code, each.text];

export function formatHead(head: Head): string {
  const { file, passes, since, ...rest } = head;
  const passed = passes && { passes: { id: passes.id, recipient: row(passes.recipient) } };
  const told = since && { since: { ...since, recipients: since.recipients.map(row) } };
  return JSON.stringify({ ...rest, ...(file ? { file } : {}), ...passed, ...told });
}

export function parseHead(bytes: Buffer): Result<Head> {
  const head = readJson(headShape, bytes);
  return head.ok ? ok({ ...head.value, file: head.value.file === true }) : head;
}

export function formatProgress(note: ProgressNote): string {
  const { id, warned, held, recipients } = note;
  return JSON.stringify({ id, ...(warned ? { warned } : {}), held, recipients: recipients.map(row) });
}

export function parseProgress(bytes: Buffer): Result<ProgressNote> {
  const note = readJson(noteShape, bytes);
  return note.ok ? ok({ ...note.value, warned: note.value.warned === true }) : note;
}
