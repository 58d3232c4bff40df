// Walk: a message cut, while it streams by, into headers, bodies of parts, and what stands between them (RFC 2046 §5.1). Every byte comes
// out again, in its order. Bodies may be binary: only a line that is a boundary ends one.

import { limits } from "#base/limits.ts";
import { type Field, firstValue, parseFields, parseParameterized } from "./header.ts";

/** A message, or a part of one. */
export interface Entity {
  readonly fields: readonly Field[];
  /** "text/plain" */
  readonly type: string;
  /** In lower case; "" when none is given. */
  readonly encoding: string;
  /** It holds others: its body is not read as one. */
  readonly composite: boolean;
  /** A message, as opposed to a part of a multipart. */
  readonly message: boolean;
  /** Within a multipart/signed: changing it would break the signature. */
  readonly signed: boolean;
}

/** What comes of a message, in its order; `body` is always of the entity of the last header, `end` is the end of its body. */
export interface WalkEvents {
  /** A whole header, with its empty line when it has one. */
  header(entity: Entity, bytes: Buffer): void;
  body(bytes: Buffer): void;
  end(): void;
  /** Boundaries, and the text around parts that nobody reads. */
  frame(bytes: Buffer): void;
}

interface Level {
  readonly boundary: string;
  /** The type of parts that say none. */
  readonly standard: string;
  readonly signed: boolean;
  readonly depth: number;
}

/** A line longer than this is no boundary (RFC 2046 §5.1.1: 70 characters). */
const LONGEST_BOUNDARY = 256;
/** Our own fields come on top of what smtpd lets through. */
const MOST_HEADER = 2 * limits.smtp.headerBytes;

const LF = 10;
const CR = 13;
const DASH = 45;
const NONE = Buffer.alloc(0);

export class Walker {
  readonly #events: WalkEvents;
  #levels: Level[] = [];
  #state: "header" | "body" | "frame" = "header";
  #header: Buffer[] = [];
  #headerBytes = 0;
  /** Of the entity that begins now. */
  #next: { standard: string; message: boolean; depth: number } = {
    standard: "text/plain",
    message: true,
    depth: 0,
  };
  /** Bytes not judged yet. */
  #kept: Buffer = NONE;
  #lineStart = true;
  /** The line end before this line: it belongs to a boundary, if one follows. */
  #held: Buffer = NONE;
  #parts = 0;
  /** A header without end: from here on nothing is known of the message. */
  failed = false;

  constructor(events: WalkEvents) {
    this.#events = events;
  }

  feed(chunk: Buffer): void {
    this.#kept = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    while (this.#kept.length > 0 && this.#step(false));
    // a copy, because a view would keep the whole chunk
    if (this.#kept.length < chunk.length) this.#kept = Buffer.from(this.#kept);
  }

  /** The message has ended. */
  end(): void {
    while (this.#kept.length > 0) this.#step(true);
    if (this.#state === "header") this.#endHeader();
    this.#give(this.#held);
    this.#held = NONE;
    if (this.#state === "body") this.#events.end();
  }

  /** Takes something of what is kept; false when more must come first. */
  #step(last: boolean): boolean {
    if (this.#state === "header") return this.#headerLine(last);
    if (this.#levels.length === 0) return this.#all();
    return this.#lineStart ? this.#line(last) : this.#run(last);
  }

  #all(): boolean {
    this.#give(this.#take(this.#kept.length));
    return true;
  }

  #take(length: number): Buffer {
    const taken = this.#kept.subarray(0, length);
    this.#kept = this.#kept.subarray(length);
    return taken;
  }

  #give(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (this.#state === "body") this.#events.body(bytes);
    else this.#events.frame(bytes);
  }

  #headerLine(last: boolean): boolean {
    const end = this.#kept.indexOf(LF);
    if (end < 0 && !last) {
      if (this.#headerBytes + this.#kept.length <= MOST_HEADER) return false;
      return this.#fail();
    }
    const line = this.#take(end < 0 ? this.#kept.length : end + 1);
    const level = this.#boundaryOf(line);
    if (level >= 0) {
      this.#endHeader();
      if (this.#state === "body") this.#events.end();
      this.#boundary(line, level);
      return true;
    }
    this.#header.push(line);
    this.#headerBytes += line.length;
    if (line.length <= 2 && (line[0] === LF || (line[0] === CR && line[1] === LF))) this.#endHeader();
    else if (this.#headerBytes > MOST_HEADER) return this.#fail();
    return true;
  }

  #fail(): boolean {
    this.failed = true;
    this.#levels = [];
    this.#events.frame(Buffer.concat(this.#header));
    this.#header = [];
    this.#state = "frame";
    return true;
  }

  #endHeader(): void {
    const bytes = Buffer.concat(this.#header);
    this.#header = [];
    this.#headerBytes = 0;
    const { standard, message, depth } = this.#next;
    const fields = parseFields(bytes);
    const declared = parseParameterized(firstValue(fields, "Content-Type") ?? "");
    const type = declared.value.includes("/") ? declared.value : standard;
    const encoding = (firstValue(fields, "Content-Transfer-Encoding") ?? "").trim().toLowerCase();
    const signed = this.#levels.at(-1)?.signed ?? false;
    this.#parts++;
    const mayGoOn = depth < limits.imap.mimeDepth && this.#parts < limits.imap.mimeParts;
    const boundary =
      mayGoOn && type.startsWith("multipart/") ? declared.parameters.get("boundary") : undefined;
    const inner = mayGoOn && MESSAGES.has(type) && !ENCODED.has(encoding);
    const composite = Boolean(boundary) || inner;
    this.#events.header({ fields, type, encoding, composite, message, signed }, bytes);
    this.#lineStart = true;
    if (boundary) {
      const among = type === "multipart/digest" ? "message/rfc822" : "text/plain";
      const within = signed || type === "multipart/signed";
      this.#levels.push({ boundary, standard: among, signed: within, depth: depth + 1 });
      this.#state = "frame";
    } else if (inner) {
      this.#next = { standard: "text/plain", message: true, depth: depth + 1 };
      this.#state = "header";
    } else this.#state = "body";
  }

  /** The start of a line: a boundary, or not. */
  #line(last: boolean): boolean {
    const kept = this.#kept;
    const couldBe = kept[0] === DASH && (kept.length === 1 || kept[1] === DASH);
    const end = kept.subarray(0, LONGEST_BOUNDARY).indexOf(LF);
    if (couldBe && end < 0 && kept.length < LONGEST_BOUNDARY && !last) return false;
    if (couldBe) {
      const length = end < 0 ? Math.min(kept.length, LONGEST_BOUNDARY) : end + 1;
      const level = end < 0 && !last ? -1 : this.#boundaryOf(kept.subarray(0, length));
      if (level >= 0) {
        if (this.#state === "body") this.#events.end();
        this.#boundary(this.#take(length), level);
        return true;
      }
    }
    this.#give(this.#held);
    this.#held = NONE;
    this.#lineStart = false;
    return this.#run(last);
  }

  /** The rest of a line, and more lines, up to one that may be a boundary; its line end is held back. */
  #run(last: boolean): boolean {
    const kept = this.#kept;
    let end = kept.indexOf(LF);
    // lines that no boundary can be go out together
    while (end >= 0 && end + 1 < kept.length && kept[end + 1] !== DASH) end = kept.indexOf(LF, end + 1);
    if (end < 0) {
      const cr = kept[kept.length - 1] === CR && !last;
      if (cr && kept.length === 1) return false;
      this.#give(this.#take(kept.length - (cr ? 1 : 0)));
      return true;
    }
    const start = end > 0 && kept[end - 1] === CR ? end - 1 : end;
    this.#give(this.#take(start));
    this.#held = Buffer.from(this.#take(end + 1 - start));
    this.#lineStart = true;
    return true;
  }

  /** Which level a line is a boundary of; −1 for none. */
  #boundaryOf(line: Buffer): number {
    if (line[0] !== DASH || line[1] !== DASH) return -1;
    const text = line.toString("latin1").trimEnd();
    return this.#levels.findLastIndex(
      ({ boundary }) => text === `--${boundary}` || text === `--${boundary}--`,
    );
  }

  #boundary(line: Buffer, at: number): void {
    const level = this.#levels[at];
    if (!level) return;
    this.#events.frame(Buffer.concat([this.#held, line]));
    this.#held = NONE;
    const closes = line.toString("latin1").trimEnd() === `--${level.boundary}--`;
    this.#levels.length = closes ? at : at + 1;
    this.#next = { standard: level.standard, message: false, depth: level.depth };
    this.#state = closes ? "frame" : "header";
    this.#lineStart = true;
  }
}

const MESSAGES: ReadonlySet<string> = new Set(["message/rfc822", "message/global"]);
const ENCODED: ReadonlySet<string> = new Set(["base64", "quoted-printable"]);
