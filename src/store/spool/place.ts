// Place: where the body of a queued message lies in the spool, as the queue tells local and remote.

import { integer, record, type Shape, type Shaped, text, union, word } from "#base/shape.ts";

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

const file = record({ kind: word("file"), name: text(64), size: integer(0) });

export type Place = Shaped<typeof inline> | Shaped<typeof file>;

export const placeShape: Shape<Place> = union<Place>({ inline, file });
