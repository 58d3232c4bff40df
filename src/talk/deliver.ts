// deliver: the queue gives one message for some recipients to local or remote, and hears an outcome for each.

import { flag, integer, list, record, type Shaped, text } from "#base/shape.ts";
import { placeShape } from "#store/spool/place.ts";
import { messageFields, outcomeShape, recipientFields } from "#wire/envelope.ts";
import { answerVerbs, on } from "./answerer.ts";
import type { Verb } from "./caller.ts";

const deliveryShape = record({
  id: text(64),
  /** When the queue took it, ms since 1970; names the Maildir file together with id and index. */
  arrived: integer(0),
  ...messageFields,
  /** False only when this is certainly the first attempt for these recipients: then nobody needs to look for an earlier delivery. */
  again: flag,
  place: placeShape,
  /** remote: where all these recipients are; local: "". */
  domain: text(255),
  recipients: list(record({ index: integer(0), ...recipientFields }), 10_000),
});

export type Delivery = Shaped<typeof deliveryShape>;

const deliveredShape = record({
  outcomes: list(record({ index: integer(0), outcome: outcomeShape }), 10_000),
});

/** One outcome per recipient asked for; a recipient that is missing counts as deferred. */
export type Delivered = Shaped<typeof deliveredShape>;

export const deliver: Verb<Delivery, Delivered> = {
  kind: 1,
  question: deliveryShape,
  answer: deliveredShape,
};

export interface Deliveries {
  /** Takes no more; resolves when those under way have their outcomes. */
  finish(): Promise<void>;
}

/** The answering side, for local and remote: an inherited descriptor, what delivers, and who hears of a peer's garbage. */
export async function answerDeliveries(
  at: number | string,
  run: (delivery: Delivery) => Promise<Delivered>,
  garbage: (text: string) => void,
): Promise<Deliveries> {
  const running = new Set<Promise<Delivered>>();
  const tracked = (delivery: Delivery) => {
    const work = run(delivery).finally(() => running.delete(work));
    running.add(work);
    return work;
  };
  const answering = await answerVerbs(at, [on(deliver, tracked)], { trouble: garbage });
  return {
    finish: async () => {
      answering.close();
      await Promise.allSettled(running);
    },
  };
}
