// The parts of a message (RFC 2045, 2046): where each header and body lies. Bounded in depth and number; never fails on garbage.

import { limits } from "#base/limits.ts";
import {
  type Field,
  firstValue,
  headerEnd,
  type Parameterized,
  parseFields,
  parseParameterized,
} from "./header.ts";

export interface Part {
  /** Bytes of the part's header, its empty line included, and of its body. Offsets into the whole message. */
  readonly headerStart: number;
  readonly bodyStart: number;
  readonly end: number;
  readonly fields: readonly Field[];
  readonly type: Parameterized;
  /** Of a multipart. */
  readonly parts: readonly Part[];
  /** Of a message/rfc822. */
  readonly message: Part | undefined;
  /** Line ends in the body. */
  lines: number;
}

interface Budget {
  parts: number;
}

/** The tree of a whole message, line ends CRLF. */
export function parseMime(bytes: Buffer): Part {
  const root = parsePart(bytes, { start: 0, end: bytes.length }, "text/plain", {
    depth: 0,
    budget: { parts: 0 },
  });
  countLines(bytes, root);
  return root;
}

/** Lines of all bodies in one pass: messages within messages would make it fifty. */
function countLines(bytes: Buffer, root: Part): void {
  const all: Part[] = [];
  const gather = (part: Part) => {
    all.push(part);
    part.parts.forEach(gather);
    if (part.message) gather(part.message);
  };
  gather(root);
  const places = [...new Set(all.flatMap(({ bodyStart, end }) => [bodyStart, end]))].sort((a, b) => a - b);
  const before = new Map<number, number>();
  let lines = 0;
  let at = 0;
  for (const place of places) {
    for (; at < place; at++) if (bytes[at] === 10) lines++;
    before.set(place, lines);
  }
  for (const part of all) part.lines = (before.get(part.end) ?? 0) - (before.get(part.bodyStart) ?? 0);
}

function parsePart(
  bytes: Buffer,
  { start, end }: { readonly start: number; readonly end: number },
  standard: string,
  state: { readonly depth: number; readonly budget: Budget },
): Part {
  const { depth, budget } = state;
  budget.parts++;
  const bodyStart = start + headerEnd(bytes.subarray(start, end));
  const fields = parseFields(bytes.subarray(start, bodyStart));
  const declared = parseParameterized(firstValue(fields, "Content-Type") ?? "");
  const type = declared.value.includes("/") ? declared : { value: standard, parameters: declared.parameters };
  const deeper = { depth: depth + 1, budget };
  const mayGoOn = depth < limits.imap.mimeDepth && budget.parts < limits.imap.mimeParts;
  const boundary = type.parameters.get("boundary");
  let parts: readonly Part[] = [];
  let message: Part | undefined;
  if (mayGoOn && type.value.startsWith("multipart/") && boundary) {
    const inner = type.value === "multipart/digest" ? "message/rfc822" : "text/plain";
    const ranges = splitMultipart(bytes.subarray(0, end), bodyStart, boundary);
    parts = ranges
      .slice(0, limits.imap.mimeParts - budget.parts)
      .map((range) => parsePart(bytes, range, inner, deeper));
  } else if (mayGoOn && type.value === "message/rfc822") {
    message = parsePart(bytes, { start: bodyStart, end }, "text/plain", deeper);
  }
  return { headerStart: start, bodyStart, end, fields, type, parts, message, lines: 0 };
}

/** Where the parts between the boundary lines lie (RFC 2046 §5.1.1); the line end before a boundary belongs to the boundary. */
// biome-ignore lint/complexity/noExcessiveCognitiveComplexity: one pass over boundary lines; its few states belong together
function splitMultipart(
  bytes: Buffer,
  from: number,
  boundary: string,
): readonly { start: number; end: number }[] {
  const mark = Buffer.from(`--${boundary}`, "latin1");
  const ranges: { start: number; end: number }[] = [];
  let start = -1;
  for (let at = bytes.indexOf(mark, from); at >= 0; at = bytes.indexOf(mark, at + mark.length)) {
    if (at > from && bytes[at - 1] !== 10) continue;
    const lineEnd = bytes.indexOf(10, at);
    const rest = bytes.toString("latin1", at + mark.length, lineEnd < 0 ? bytes.length : lineEnd).trimEnd();
    if (rest !== "" && rest !== "--") continue;
    if (start >= 0) ranges.push({ start, end: Math.max(start, at - (bytes[at - 2] === 13 ? 2 : 1)) });
    start = -1;
    if (rest === "--" || lineEnd < 0) break;
    start = lineEnd + 1;
    if (ranges.length >= limits.imap.mimeParts) return ranges;
  }
  if (start >= 0) ranges.push({ start, end: bytes.length });
  return ranges;
}

/** The part with these numbers as IMAP counts them (RFC 9051 §6.4.5.1), or undefined. */
export function findPart(root: Part, numbers: readonly number[]): Part | undefined {
  let part: Part | undefined = root;
  for (const [at, number] of numbers.entries()) {
    // numbers behind a message/rfc822 count the parts of the message in it
    const container: Part | undefined = at === 0 ? part : (part?.message ?? part);
    if (!container) return undefined;
    if (container.type.value.startsWith("multipart/")) part = container.parts[number - 1];
    // what is no multipart is its own part 1
    else part = number === 1 && (at === 0 || container !== part) ? container : undefined;
  }
  return part;
}
