// Place: where the body of a queued message lies in the spool, as the queue tells local and remote.

import { limits } from "#base/limits.ts";
import { integer, optional, record, type Shape, type Shaped, text, union, word } from "#base/shape.ts";

const inline = record({
  kind: word("inline"),
  /** Number in the segment's file name. */
  segment: integer(0),
  /** The segment's life that the record belongs to; another one there means the message has ended. */
  generation: integer(0),
  /** Start of the whole record in the file, and its length, so that its checksum can be verified. */
  offset: integer(0),
  length: integer(0),
  /** Where in the record the body starts. */
  body: integer(0),
  size: integer(0),
});

const file = record({
  kind: word("file"),
  name: text(64),
  /** Of the whole body, `front` and file. */
  size: integer(0),
  /** What stands before the bytes in the file; missing: nothing. */
  front: optional(text(limits.queue.front)),
});

export type Place = Shaped<typeof inline> | Shaped<typeof file>;

export const placeShape: Shape<Place> = union<Place>({ inline, file });

/** The place of a body that has a file of its own, named after its message. */
export function filePlace(head: {
  readonly id: string;
  readonly size: number;
  readonly front?: string | undefined;
}): Place {
  const { id, size, front } = head;
  return { kind: "file", name: id, size, ...(front === undefined ? {} : { front }) };
}
