// Sizes and durations as people write them: "50M", "7d", "30 s". A bare number is bytes or seconds.

import { err, ok, type Result } from "#base/result.ts";

const SIZES: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

const DURATIONS: Readonly<Record<string, number>> = {
  ms: 1,
  "": 1000,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Bytes of a size such as 1024, "64k", "50M" or "1.5 GiB" (units are powers of 1024). */
export function parseSize(value: string | number): Result<number> {
  const parts = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*$/i.exec(String(value));
  const unit = SIZES[(parts?.[2] ?? "").toLowerCase()];
  if (!parts || unit === undefined) return err('a size such as "64k", "50M" or "1G"');
  return whole(Number(parts[1]) * unit, "a smaller size");
}

/** Milliseconds of a duration such as 30 (seconds), "500 ms", "90s", "4h" or "7d". */
export function parseDuration(value: string | number): Result<number> {
  const parts = /^\s*(\d+(?:\.\d+)?)\s*(ms|[smhdw]?)\s*$/i.exec(String(value));
  const unit = DURATIONS[(parts?.[2] ?? "").toLowerCase()];
  if (!parts || unit === undefined) return err('a duration such as "90s", "4h" or "7d"');
  return whole(Number(parts[1]) * unit, "a shorter duration");
}

function whole(value: number, otherwise: string): Result<number> {
  const rounded = Math.round(value);
  return Number.isSafeInteger(rounded) ? ok(rounded) : err(otherwise);
}

/** A size as it stands in kenro.toml: the largest unit that is exact. */
export const formatSize = (bytes: number): string =>
  exact(bytes, { ...SIZES, "": 0, b: 0 })
    .toUpperCase()
    .replace("K", "k");

/** A duration as it stands in kenro.toml: the largest unit below weeks that is exact. */
export const formatDuration = (ms: number): string => exact(ms, { ...DURATIONS, "": 0, w: 0 });

function exact(value: number, units: Readonly<Record<string, number>>): string {
  const fitting = Object.entries(units).filter(([, size]) => size > 0 && value % size === 0);
  const [name, unit] = fitting.sort(([, a], [, b]) => b - a)[0] ?? ["", 1];
  return `${value / unit}${name}`;
}
