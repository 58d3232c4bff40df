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
}

interface Budget {
  parts: number;
}

/** The tree of a whole message, line ends CRLF. */
export function parseMime(bytes: Buffer): Part {
  return parsePart(bytes, { start: 0, end: bytes.length }, "text/plain", { depth: 0, budget: { parts: 0 } });
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
  return { headerStart: start, bodyStart, end, fields, type, parts, message };
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
  let first = true;
  for (const number of numbers) {
    const container: Part | undefined = first ? part : (part?.message ?? part);
    first = false;
    if (!container) return undefined;
    if (container.parts.length > 0) part = container.parts[number - 1];
    // a part that is no multipart is its own part 1
    else
      part =
        number === 1 && container.type.value.startsWith("multipart/") === false
          ? asBody(container)
          : undefined;
  }
  return part;
}

const asBody = (part: Part): Part => part;
