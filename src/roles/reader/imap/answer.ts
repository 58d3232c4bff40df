// One message's answer to a FETCH: what is read for one item serves the others, what is large goes out as it is read.

import type { Message } from "#store/maildir/folder.ts";
import type { FetchItem, Section } from "#wire/imap/fetch.ts";
import { formatInternalDate } from "#wire/imap/response.ts";
import { formatBodyStructure, formatEnvelope } from "#wire/message/bodystructure.ts";
import { headerEnd, parseFields } from "#wire/message/header.ts";
import { findPart, type Part, parseMime } from "#wire/message/mime.ts";
import { BEGINNING, headerOf, rangeOf, receivedAt, wholeMessage, wireSize } from "../content.ts";
import type { Session } from "./state.ts";
import type { View } from "./view.ts";

/** Bodies from this size on are not gathered in memory. */
const STREAMED = 256 * 1024;

type SectionItem = Extract<FetchItem, { kind: "section" }>;

/** From the first byte up to, not including, the end. */
interface Range {
  readonly start: number;
  readonly end: number;
}

/** Text of a response, bytes of it, or a range of the message that follows as it is read. */
type Piece = string | Buffer | Range;

/** Items that can be told without opening the message. */
const unopened: ReadonlySet<FetchItem["kind"]> = new Set(["flags", "uid", "internaldate", "size"]);

export class Answer {
  readonly #session: Session;
  readonly #view: View;
  readonly message: Message;
  readonly #items: readonly FetchItem[];
  #whole: Promise<Buffer | undefined> | undefined;
  #header: Promise<Buffer | undefined> | undefined;

  constructor(session: Session, view: View, message: Message, items: readonly FetchItem[]) {
    this.#session = session;
    this.#view = view;
    this.message = message;
    this.#items = items;
  }

  /** Starts to read what will be needed, when that is little. */
  prepare(): void {
    const opened = this.#items.filter(({ kind }) => !unopened.has(kind));
    const [first] = opened;
    if (!first || (this.message.wireSize ?? STREAMED) >= STREAMED) return;
    const only = (kind: FetchItem["kind"]) => opened.every((item) => item.kind === kind);
    if (only("envelope")) {
      if (this.#session.known.envelopes.get(this.message) === undefined) void this.#startHeader();
    } else if (first.kind === "section" && opened.every(inHeader)) void this.#startHeader();
    else if (!only("bodystructure") || !this.#session.known.trees.get(this.message)) void this.#startWhole();
  }

  /** Tells the items; false when the message is gone. */
  async tell(number: number, more: readonly FetchItem[] = []): Promise<boolean> {
    const pieces: Piece[] = [];
    let text = `* ${number} FETCH (`;
    for (const [at, item] of [...this.#items, ...more].entries()) {
      if (at > 0) text += " ";
      const value = item.kind === "section" ? await this.#section(item) : await this.#value(item.kind);
      if (value === undefined) return false;
      if (typeof value === "string") {
        text += value;
        continue;
      }
      pieces.push(`${text}${item.kind === "section" ? item.name : ""} {${lengthOf(value)}}\r\n`, value);
      text = "";
    }
    pieces.push(`${text})\r\n`);
    // nothing is said before all is known: an answer that cannot be given leaves no half of one
    await this.#say(pieces);
    return true;
  }

  async #say(pieces: readonly Piece[]): Promise<void> {
    for (const piece of pieces) {
      if (typeof piece === "string" || Buffer.isBuffer(piece)) await this.#session.out.say(piece);
      else await this.#stream(piece);
    }
  }

  /** Exactly as many bytes as were announced, or the connection must end: the client would take what follows for the body. */
  async #stream({ start, end }: Range): Promise<void> {
    let left = end - start;
    const last = this.#session.lastPlace;
    const place = last?.message === this.message && last.place.wire <= start ? last.place : BEGINNING;
    const range = rangeOf(this.#view.folder, this.message, { start, end, place });
    try {
      for (;;) {
        const step = await range.next();
        if (step.done) {
          // clients fetch large messages in parts, one behind the other: the next one goes on from here
          this.#session.lastPlace = { message: this.message, place: step.value };
          break;
        }
        left -= step.value.length;
        await this.#session.out.say(step.value);
      }
    } finally {
      if (left !== 0) {
        // the name told a wrong size, the file is gone or the disk failed
        this.message.wireSize = undefined;
        this.#session.stream.destroy();
      }
    }
  }

  async #value(kind: Exclude<FetchItem["kind"], "section">): Promise<string | undefined> {
    const { folder } = this.#view;
    const { message } = this;
    switch (kind) {
      case "flags":
        return `FLAGS ${this.#view.flagsOf(message)}`;
      case "uid":
        return `UID ${message.uid}`;
      case "internaldate":
        return `INTERNALDATE ${formatInternalDate(await receivedAt(folder, message, (at) => this.#session.disk.stat(at)))}`;
      case "size":
        return `RFC822.SIZE ${await wireSize(folder, message)}`;
      case "envelope":
        return this.#envelope();
      case "body":
      case "bodystructure": {
        const tree = await this.#tree();
        const extended = kind === "bodystructure";
        return tree && `${extended ? "BODYSTRUCTURE" : "BODY"} ${formatBodyStructure(tree, extended)}`;
      }
    }
  }

  async #envelope(): Promise<string | undefined> {
    const { envelopes } = this.#session.known;
    const known = envelopes.get(this.message);
    if (known !== undefined) return known;
    const header = await this.#headerBytes();
    if (!header) return undefined;
    const told = `ENVELOPE ${formatEnvelope(parseFields(header))}`;
    envelopes.set(this.message, told);
    return told;
  }

  #startWhole(): Promise<Buffer | undefined> {
    this.#whole ??= wholeMessage(this.#view.folder, this.message);
    // whoever waits for it hears of its failure; when nobody comes to that, nobody need hear
    this.#whole.catch(() => {});
    return this.#whole;
  }

  #startHeader(): Promise<Buffer | undefined> {
    this.#header ??= headerOf(this.#view.folder, this.message);
    this.#header.catch(() => {});
    return this.#header;
  }

  async #headerBytes(): Promise<Buffer | undefined> {
    const whole = await this.#whole;
    return whole ? whole.subarray(0, headerEnd(whole)) : this.#startHeader();
  }

  async #tree(): Promise<Part | undefined> {
    const { trees } = this.#session.known;
    const known = trees.get(this.message);
    if (known) return known;
    const bytes = await this.#startWhole();
    if (!bytes) return undefined;
    const tree = parseMime(bytes);
    trees.set(this.message, tree);
    return tree;
  }

  /** The bytes of a section, or where they lie; NIL when there is no such part; undefined when the message is gone. */
  async #section(item: SectionItem): Promise<Piece | undefined> {
    const { section, partial } = item;
    if (inHeader(item)) {
      const header = await this.#headerBytes();
      return header && cut(pickFields(header, section), partial);
    }
    const large = (await wireSize(this.#view.folder, this.message)) >= STREAMED;
    const bytes = large ? undefined : await this.#startWhole();
    const found = bytes || large ? await this.#found(bytes, section) : undefined;
    if (found === undefined || found === "none") return found && `${item.name} NIL`;
    if (Buffer.isBuffer(found)) return cut(found, partial);
    if (bytes) return cut(bytes.subarray(found.start, found.end), partial);
    const start = Math.min(found.end, found.start + (partial?.start ?? 0));
    return { start, end: partial ? Math.min(found.end, start + partial.length) : found.end };
  }

  /** Where a section lies; its bytes when it is made of some fields of a header. `bytes` when the message is in memory anyway. */
  async #found(bytes: Buffer | undefined, section: Section): Promise<Range | Buffer | "none" | undefined> {
    if (section.part.length === 0 && section.what === "all")
      return { start: 0, end: bytes?.length ?? (await wireSize(this.#view.folder, this.message)) };
    const tree = await this.#tree();
    const part = tree && findPart(tree, section.part);
    if (!tree) return undefined;
    const range = part ? sectionOf(part, section) : "none";
    if (range === "none" || (section.what !== "fields" && section.what !== "fieldsNot")) return range;
    const whole = bytes ?? (await this.#startWhole());
    return whole && pickFields(whole.subarray(range.start, range.end), section);
  }
}

const lengthOf = (value: Buffer | Range): number =>
  Buffer.isBuffer(value) ? value.length : value.end - value.start;

/** Whether a section lies in the header of the message itself. */
const inHeader = (item: FetchItem): boolean =>
  item.kind === "section" &&
  item.section.part.length === 0 &&
  item.section.what !== "all" &&
  item.section.what !== "text";

const cut = (bytes: Buffer, partial: SectionItem["partial"]): Buffer =>
  partial ? bytes.subarray(partial.start, partial.start + partial.length) : bytes;

/** RFC 9051 §6.4.5.1: HEADER and TEXT of a part are those of the message in it. */
function sectionOf(part: Part, section: Section): Range | "none" {
  const message = section.part.length === 0 ? part : part.message;
  switch (section.what) {
    case "all":
      return { start: part.bodyStart, end: part.end };
    case "mime":
      return { start: part.headerStart, end: part.bodyStart };
    case "text":
      return message ? { start: message.bodyStart, end: message.end } : "none";
    case "header":
    case "fields":
    case "fieldsNot":
      return message ? { start: message.headerStart, end: message.bodyStart } : "none";
  }
}

/** The header, or some of its fields with the empty line behind them. */
function pickFields(header: Buffer, { what, names }: Section): Buffer {
  if (what !== "fields" && what !== "fieldsNot") return header;
  const wanted = new Set(names.map((name) => name.toLowerCase()));
  const chosen = parseFields(header).filter(
    ({ name }) => wanted.has(name.toLowerCase()) === (what === "fields"),
  );
  return Buffer.concat([...chosen.map(({ start, end }) => header.subarray(start, end)), Buffer.from("\r\n")]);
}
