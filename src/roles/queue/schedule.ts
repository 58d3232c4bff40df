// Schedule: when a recipient is tried again, and when it is given up. Pure; qmail's quadratic retry.

const second = 1000;

/** Which recipients are tried more often: those here cost us little. */
export const SKIP = { local: 10, remote: 20 } as const;

/** After an attempt at `now`: (floor(sqrt(age in seconds)) + skip)² seconds after birth. A birth in the future counts as now. */
export function nextAttempt(birth: number, now: number, skip: number): number {
  const age = Math.max(0, now - birth) / second;
  return birth + (Math.floor(Math.sqrt(age)) + skip) ** 2 * second;
}

/** Whether an attempt that began at `now` was the last one. */
export function isLast(birth: number, now: number, lifetime: number): boolean {
  return now > birth + lifetime;
}

/** The longest time an unreachable destination is left alone. */
const LONGEST_BACKOFF = 2 * 60 * 60 * second;

/** When a destination that cannot be reached since `since` is tried again: by whichever message is first. */
export function backoff(since: number, now: number): number {
  return Math.min(nextAttempt(since, now, SKIP.remote), now + LONGEST_BACKOFF);
}
