// Wishes: what a sender asked of the queue: when its message may go, until when, and of what it is to be told.

import { limits } from "#base/limits.ts";
import { bornAt } from "#store/spool/state.ts";
import type { ReportedAction } from "#wire/message/dsn.ts";
import type { Entry, RecipientEntry } from "./entries.ts";

/** Its sender's time is over, and it is to come back (RFC 2852 §4.1). */
export const isOverdue = ({ envelope: { deliverBy } }: Entry, now: number): boolean =>
  deliverBy?.mode === "return" && now >= deliverBy.time;

/** The next attempt, but not behind the moment at which the sender's time is over: something is to be said then. */
export function nextWith({ envelope: { deliverBy } }: Entry, next: number, now: number): number {
  return deliverBy && deliverBy.time > now ? Math.min(next, deliverBy.time) : next;
}

/** Until when it is tried. */
export function untilOf(entry: Entry, lifetime: number): number {
  const { deliverBy } = entry.envelope;
  const end = bornAt(entry) + lifetime;
  return deliverBy?.mode === "return" ? Math.min(end, deliverBy.time) : end;
}

/** When its sender is to hear that it waits still. */
export function warnedAt(entry: Entry): number {
  const { deliverBy } = entry.envelope;
  return deliverBy?.mode === "notify" ? deliverBy.time : bornAt(entry) + limits.queue.delayWarning;
}

/** Whether the sender wants to hear that a recipient waits; who did not say gets to know it when he is one of ours, and so not forged. */
export const isDelayWanted = ({ state, notify }: RecipientEntry, { submitted }: Entry["envelope"]): boolean =>
  state === "waiting" && (notify?.includes("delay") ?? submitted);

/** What the sender is to hear of a recipient in the end; undefined: nothing (RFC 3461 §5.2). */
export function actionFor(
  { state, notify }: RecipientEntry,
  { deliverBy }: Entry["envelope"],
): ReportedAction | undefined {
  const wantsSuccess = notify?.includes("success") === true;
  // RFC 2852 §4.1.4: T makes every server on the way tell
  const isTraced = deliverBy?.trace === true;
  switch (state) {
    case "waiting":
      return undefined;
    case "failed":
      return (notify?.includes("failure") ?? true) ? "failed" : undefined;
    case "delivered":
      return wantsSuccess ? "delivered" : undefined;
    case "relayed":
      return wantsSuccess || isTraced ? "relayed" : undefined;
    case "expanded":
      // RFC 3461 §5.2.7: more is not promised, for each address has its own fate
      return wantsSuccess || isTraced ? "expanded" : undefined;
    case "handed":
      return isTraced ? "relayed" : undefined;
  }
}
