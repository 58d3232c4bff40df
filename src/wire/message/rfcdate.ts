// Dates as they stand in messages (RFC 5322 §3.3), always in UTC.

/** `Thu, 01 Jan 2026 00:00:00 +0000` for ms since 1970. */
export function formatDate(ms: number): string {
  const clamped = Math.min(Math.max(ms, 0), LAST);
  return new Date(clamped).toUTCString().replace("GMT", "+0000");
}

/** The end of the year 9999: the last date with four digits for its year. */
const LAST = Date.UTC(9999, 11, 31, 23, 59, 59);
