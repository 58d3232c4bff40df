// queuetransfer: messages out of the queue as they are, and into it, for `kenro queue export` and `import` (docs/queue.md N1–N4).

import { flag, integer, list, oneOf, optional, record, type Shape, type Shaped, text } from "#base/shape.ts";
import { placeShape } from "#store/spool/place.ts";
import { type Progress, states } from "#store/spool/state.ts";
import { type Envelope, messageFields, recipientFields } from "#wire/envelope.ts";
import type { Verb } from "./caller.ts";

/** A recipient, and how far it is; `next`: when it is due, ms since 1970. */
const carried = record({
  ...recipientFields,
  state: oneOf(...states),
  attempts: integer(0),
  next: integer(0),
  code: text(16),
  text: text(2000),
});

export type Carried = Shaped<typeof carried>;

const about = record({
  id: text(64),
  arrived: integer(0),
  size: integer(0),
  /** Its sender was told of the delay. */
  warned: flag,
  held: flag,
  envelope: record(messageFields),
});

/** A message but for its recipients and its body. */
export type About = Shaped<typeof about>;

export const carriedShape: Shape<Carried> = carried;
export const aboutShape: Shape<About> = about;

/** What a message is like, and where its body lies now; recipients from the one numbered `from` on. Nothing when it has left the queue. */
export const queueExport: Verb<
  { readonly id: string; readonly from: number },
  {
    readonly message?:
      | {
          readonly about: About;
          readonly place: Shaped<typeof placeShape>;
          readonly count: number;
          readonly recipients: readonly Carried[];
        }
      | undefined;
  }
> = {
  kind: 16,
  question: record({ id: text(64), from: integer(0) }),
  answer: record({
    message: optional(record({ about, place: placeShape, count: integer(0), recipients: list(carried) })),
  }),
};

const importPart = record({
  id: text(64),
  /** In the first part. */
  about: optional(about),
  recipients: optional(list(carried)),
  /** Bytes of the body, in base64; in the parts behind those with recipients. */
  body: optional(text(1 << 20)),
  /** The message is whole. */
  last: flag,
});

export type ImportPart = Shaped<typeof importPart>;

const importAnswer = record({
  /** "more": go on. "queued": it is durable. "known": it is, or was, in this queue. */
  result: oneOf("more", "queued", "known", "refused"),
  text: optional(text(500)),
});

export type ImportAnswer = Shaped<typeof importAnswer>;

/** A part of a message for the queue. After any other answer than "more" its other parts mean nothing. */
export const queueImport: Verb<ImportPart, ImportAnswer> = {
  kind: 17,
  question: importPart,
  answer: importAnswer,
};

/** The envelope with its recipients, and what has become of them; the first day is not told. */
export function unfold(
  { envelope }: About,
  recipients: readonly Carried[],
): { readonly envelope: Envelope; readonly progress: readonly Progress[] } {
  return {
    envelope: {
      ...envelope,
      recipients: recipients.map(({ address, notify, original }) => ({ address, notify, original })),
    },
    progress: recipients.flatMap(({ state, attempts, next, code, text: reason }, index) =>
      state === "waiting" && attempts === 0 && next === 0
        ? []
        : [{ index, state, attempts, next, code, text: reason }],
    ),
  };
}
