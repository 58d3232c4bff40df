// Nesting: how deeply the parts of a message lie within each other (RFC 2046 §5.1, §5.2.1), found out while it streams by. What is kept is
// one line of a header and the boundaries that are open; of bodies nothing is looked at but lines that begin with two hyphens.

import { parseParameterized } from "./header.ts";

export interface NestingBounds {
  /** Levels at which nobody counts any more. */
  readonly depth: number;
  /** Bytes of a Content-Type that are looked at. */
  readonly contentType: number;
}

const LF = 10;
const HYPHEN = 45;
const EMPTY = Buffer.alloc(0);
const BEFORE_BOUNDARY = Buffer.from("\n--");

/** RFC 2046 §5.1.1: a boundary has at most 70 characters; others are taken as long as they are shorter than this. */
const BOUNDARY = 200;

/** A line that may be a boundary: hyphens before and behind, and white space that does not count. */
const BOUNDARY_LINE = BOUNDARY + 100;

interface Level {
  /** Undefined: a message within a message, which ends where the level around it does. */
  readonly boundary: string | undefined;
  /** Its parts are messages when they do not say otherwise. */
  readonly digest: boolean;
}

/** One per message; `feed` it from its first byte on. Never fails on garbage. */
export class Nesting {
  /** The deepest level so far: 0 for a message of one part. */
  depth = 0;
  readonly #bounds: NestingBounds;
  readonly #open: Level[] = [];
  #where: "header" | "body" = "header";
  /** The start of a line whose end has not come; in a body only when it may be a boundary. */
  #held: Buffer = EMPTY;
  /** The Content-Type of the header that is being read, unfolded. */
  #type = "";
  #inType = false;
  /** In a header: behind so much of a line that the rest does not count. */
  #inLongLine = false;
  /** In a body: a line begins with the next byte. */
  #lineStart = true;

  constructor(bounds: NestingBounds) {
    this.#bounds = bounds;
  }

  /** The next bytes. */
  feed(chunk: Buffer): void {
    if (this.#isOver) return;
    let bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    this.#held = EMPTY;
    while (bytes.length > 0 && !this.#isOver) {
      const used = this.#where === "header" ? this.#headerLine(bytes) : this.#bodyLine(bytes);
      if (used === 0) {
        // a copy, because a view would keep the whole chunk
        this.#held = Buffer.from(bytes);
        return;
      }
      bytes = bytes.subarray(used);
    }
  }

  /** Deep enough, or a body without a boundary that could come: it goes on to the end of the message. */
  get #isOver(): boolean {
    return this.depth > this.#bounds.depth || (this.#where === "body" && this.#open.length === 0);
  }

  /** Bytes of the next line of a header; 0 when its end is not there. */
  #headerLine(bytes: Buffer): number {
    const end = bytes.indexOf(LF);
    if (this.#inLongLine) {
      this.#inLongLine = end < 0;
      return end < 0 ? bytes.length : end + 1;
    }
    const most = this.#bounds.contentType;
    if (end < 0 && bytes.length < most) return 0;
    this.#inLongLine = end < 0 || end >= most;
    const length = this.#inLongLine ? most : end;
    const line = bytes.toString("latin1", 0, length).replace(/\r$/, "");
    if (!this.#isBoundary(line)) this.#take(line);
    return this.#inLongLine ? length : end + 1;
  }

  #take(line: string): void {
    if (line === "") return this.#endHeader();
    const folded = line.startsWith(" ") || line.startsWith("\t");
    if (folded) {
      if (this.#inType && this.#type.length < this.#bounds.contentType) this.#type += line;
      return;
    }
    const [field] = /^content-type[ \t]*:/i.exec(line) ?? [];
    // the first one counts, as for those who read the message
    this.#inType = field !== undefined && this.#type === "";
    if (field !== undefined && this.#inType) this.#type = line.slice(field.length);
  }

  #endHeader(): void {
    const declared = parseParameterized(this.#type);
    const standard = this.#open.at(-1)?.digest === true ? "message/rfc822" : "text/plain";
    const type = declared.value.includes("/") ? declared.value : standard;
    this.#beginHeader();
    this.#where = "body";
    this.#lineStart = true;
    const boundary = declared.parameters.get("boundary");
    if (type === "message/rfc822" || type === "message/global") {
      this.#enter({ boundary: undefined, digest: false });
      this.#where = "header";
    } else if (type.startsWith("multipart/") && boundary && boundary.length <= BOUNDARY)
      this.#enter({ boundary, digest: type === "multipart/digest" });
  }

  #beginHeader(): void {
    this.#type = "";
    this.#inType = false;
  }

  #enter(level: Level): void {
    this.#open.push(level);
    this.depth = Math.max(this.depth, this.#open.length);
  }

  /** Bytes up to the next line that may be a boundary, or with it; 0 when its end is not there. */
  #bodyLine(bytes: Buffer): number {
    if (!this.#lineStart || !mayBegin(bytes)) return this.#skip(bytes);
    const end = bytes.indexOf(LF);
    if (end < 0 && bytes.length <= BOUNDARY_LINE) return 0;
    this.#lineStart = false;
    // the line end stays: what follows it may be a boundary
    if (end < 0 || end > BOUNDARY_LINE) return 1;
    if (!this.#isBoundary(bytes.toString("latin1", 0, end).replace(/\r$/, ""))) return end;
    this.#lineStart = true;
    return end + 1;
  }

  #skip(bytes: Buffer): number {
    this.#lineStart = false;
    const found = bytes.indexOf(BEFORE_BOUNDARY);
    if (found >= 0) {
      this.#lineStart = true;
      return found + 1;
    }
    // a line end, and perhaps a hyphen, may be the start of one
    const last = bytes.lastIndexOf(LF);
    if (last >= 0 && last >= bytes.length - 2 && (last === bytes.length - 1 || bytes[last + 1] === HYPHEN)) {
      this.#lineStart = true;
      return last + 1;
    }
    return bytes.length;
  }

  /** Whether a line is a boundary of an open level, the innermost first; then what is within that level is over. */
  #isBoundary(line: string): boolean {
    if (!line.startsWith("--")) return false;
    const text = line.slice(2).trimEnd();
    for (let at = this.#open.length - 1; at >= 0; at--) {
      const boundary = this.#open[at]?.boundary;
      if (boundary === undefined || !text.startsWith(boundary)) continue;
      const rest = text.slice(boundary.length);
      if (rest !== "" && rest !== "--") continue;
      this.#open.length = rest === "" ? at + 1 : at;
      this.#where = rest === "" ? "header" : "body";
      this.#beginHeader();
      this.#lineStart = true;
      return true;
    }
    return false;
  }
}

function mayBegin(bytes: Buffer): boolean {
  return bytes[0] === HYPHEN && (bytes.length === 1 || bytes[1] === HYPHEN);
}
