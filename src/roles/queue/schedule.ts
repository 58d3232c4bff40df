// When the next attempt is: qmail's quadratic schedule (seed: qmail-send), and the back-off of a destination that cannot be reached.

/** Steps of the square root that an attempt skips; local mail is tried four times as often. */
export const SKIP = { local: 10, remote: 20 } as const;

export type Channel = keyof typeof SKIP;

/** The time of the next attempt, ms since 1970: arrived + (⌊√(now − arrived)⌋ + skip)² seconds. */
export function nextAttempt(arrived: number, now: number, channel: Channel): number {
  // a clock that jumped back makes the age negative: it counts as 0
  const age = Math.max(0, Math.floor((now - arrived) / 1000));
  const root = Math.floor(Math.sqrt(age)) + SKIP[channel];
  return arrived + root * root * 1000;
}

/** How long a destination is left alone after so many failures to reach it: one minute, doubling, at most an hour. */
export const backOff = (failures: number): number => Math.min(3_600_000, 60_000 * 2 ** Math.min(10, failures - 1));
