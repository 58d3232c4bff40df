// Sequence sets: "1,3:5,9:*" (RFC 9051 §9).

import { err, ok, type Result } from "#base/result.ts";

/** Ranges with from ≤ to; "*" is Infinity. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export type SequenceSet = readonly Range[];

const MAX = 0xffff_ffff;
/** Ranges one command may name. */
const MOST = 10_000;

function numberOf(text: string): number | undefined {
  if (text === "*") return Number.POSITIVE_INFINITY;
  const value = /^[1-9]\d{0,9}$/.test(text) ? Number(text) : 0;
  return value >= 1 && value <= MAX ? value : undefined;
}

/** The ranges of a set, or what is wrong with it. */
export function parseSequence(text: string): Result<SequenceSet> {
  const ranges: Range[] = [];
  for (const part of text.split(",")) {
    const [first = "", second = first, ...more] = part.split(":");
    const [a, b] = [numberOf(first), numberOf(second)];
    if (a === undefined || b === undefined || more.length > 0) return err("the message set is not valid");
    ranges.push({ from: Math.min(a, b), to: Math.max(a, b) });
    if (ranges.length > MOST) return err("the message set is too long");
  }
  return ok(ranges);
}

/** The ranges ascending and apart from each other, where "*" means `last`; "9:*" includes `last` even when that is less. */
export function resolveSequence(set: SequenceSet, last: number): readonly Range[] {
  const ranges = set.map(({ from, to }) => {
    const [a, b] = [Math.min(from, MAX + 1), Math.min(to, MAX + 1)].map((each) => (each > MAX ? last : each));
    return { from: Math.min(a ?? 0, b ?? 0), to: Math.max(a ?? 0, b ?? 0) };
  });
  ranges.sort((a, b) => a.from - b.from);
  const apart: Range[] = [];
  for (const range of ranges) {
    const before = apart[apart.length - 1];
    if (before && range.from <= before.to + 1) {
      apart[apart.length - 1] = { from: before.from, to: Math.max(before.to, range.to) };
    } else apart.push(range);
  }
  return apart.filter(({ to }) => to > 0);
}

/** Is `number` in one of these ranges, which come from `resolveSequence`? */
export function inRanges(ranges: readonly Range[], number: number): boolean {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle]?.to ?? 0) < number) low = middle + 1;
    else high = middle;
  }
  return (ranges[low]?.from ?? Number.POSITIVE_INFINITY) <= number;
}

/** Numbers as a set: 1,2,3,7 → "1:3,7". They must ascend. */
export function formatSequence(numbers: readonly number[]): string {
  const parts: string[] = [];
  let start = 0;
  for (let at = 1; at <= numbers.length; at++) {
    if (numbers[at] === (numbers[at - 1] ?? 0) + 1) continue;
    const [from, to] = [numbers[start], numbers[at - 1]];
    parts.push(from === to ? `${from}` : `${from}:${to}`);
    start = at;
  }
  return parts.join(",");
}
