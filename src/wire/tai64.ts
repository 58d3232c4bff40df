// TAI64N time stamps as daemontools writes them: "@" and 24 hex digits; as text they sort by time.

/** TAI64 labels count from 2⁶² and are 10 s ahead of Unix time, as in libtai (leap seconds since 1970 are not counted). */
const EPOCH = 0x4000_0000_0000_000an;

const MICRO = 1000;

/** The stamp of a time in ms since 1970 (fractions of a ms are kept). */
export function formatTai64n(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const nano = Math.round((ms - seconds * 1000) * MICRO) * MICRO;
  return `@${(EPOCH + BigInt(seconds)).toString(16)}${nano.toString(16).padStart(8, "0")}`;
}

/** Ms since 1970 of a stamp at the start of `line`, or undefined. */
export function parseTai64n(line: string): number | undefined {
  const digits = /^@([0-9a-f]{16})([0-9a-f]{8})/.exec(line);
  if (!digits?.[1] || !digits[2]) return undefined;
  const seconds = BigInt(`0x${digits[1]}`) - EPOCH;
  return Number(seconds) * 1000 + Number.parseInt(digits[2], 16) / 1e6;
}
