// Questions to the DNS with a time limit of our own: a resolver that is slower says "later", and so does one that breaks.

import { type Clock, within } from "#base/clock.ts";
import { messageOf } from "#base/problem.ts";
import type { Answer } from "#sys/resolver.ts";

/** The answer, or "later" when there is none within `ms` or asking failed. Never rejects. */
export async function ask<T>(
  clock: Clock,
  ms: number,
  question: () => Promise<Answer<T>>,
): Promise<Answer<T>> {
  if (ms <= 0) return { kind: "later", why: "no time is left" };
  const late = () => ({ kind: "later" as const, why: `no answer within ${Math.round(ms)} ms` });
  try {
    return await within(clock, ms, question(), late);
  } catch (thrown) {
    return { kind: "later", why: messageOf(thrown) };
  }
}
