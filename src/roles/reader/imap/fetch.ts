// FETCH: data items of messages, small ones from memory, whole bodies in chunks.

import type { Message } from "#store/maildir/folder.ts";
import { type FetchItem, readFetchItems, type Section } from "#wire/imap/fetch.ts";
import type { Arguments } from "#wire/imap/lexer.ts";
import { formatInternalDate } from "#wire/imap/response.ts";
import { parseSequence, type SequenceSet } from "#wire/imap/sequence.ts";
import { formatBodyStructure, formatEnvelope } from "#wire/message/bodystructure.ts";
import { headerEnd, parseFields } from "#wire/message/header.ts";
import { findPart, type Part, parseMime } from "#wire/message/mime.ts";
import { chunksOf, headerOf, receivedAt, wholeMessage, wireSize } from "../content.ts";
import { no, ok, type Session, selectedVerb, type Tagged, type Verb } from "./state.ts";
import type { View } from "./view.ts";

/** Bodies from this size on are not gathered in memory. */
const STREAMED = 256 * 1024;

export function readSet(args: Arguments): SequenceSet {
  args.space();
  const set = parseSequence(args.sequence());
  return set.ok ? set.value : args.fail(set.error);
}

interface Fetch {
  readonly set: SequenceSet;
  readonly items: readonly FetchItem[];
}

const parseFetch = (args: Arguments): Fetch => {
  const set = readSet(args);
  args.space();
  return { set, items: readFetchItems(args) };
};

export const fetchVerb = (byUid: boolean): Verb => ({
  ...selectedVerb(parseFetch, (session, view, { set, items }) => {
    // UID FETCH always tells the UID (RFC 9051 §6.4.9)
    const wanted =
      byUid && !items.some(({ kind }) => kind === "uid") ? [{ kind: "uid" } as const, ...items] : items;
    return runFetch(session, view, view.pick(set, byUid), wanted);
  }),
  ...(byUid ? {} : { keepsNumbers: true }),
});

async function runFetch(
  session: Session,
  view: View,
  picked: ReturnType<View["pick"]>,
  items: readonly FetchItem[],
): Promise<Tagged> {
  const sees = items.some((item) => item.kind === "section" && !item.peek) && !view.readOnly;
  let missing = 0;
  for (const { number, message } of picked) {
    const seenNow =
      sees && !message.flags.includes("S") && (await view.folder.setFlags(message, `${message.flags}S`));
    if (seenNow) view.know(message);
    const all =
      seenNow && !items.some(({ kind }) => kind === "flags") ? [...items, { kind: "flags" } as const] : items;
    const told = await new Answer(session, view, message).tell(number, all);
    if (!told) missing++;
  }
  return missing === 0 ? ok("Fetched") : no("[EXPUNGEISSUED] Some of the messages are gone");
}

/** One message's answer; what is read for one item serves the others. */
class Answer {
  readonly #session: Session;
  readonly #view: View;
  readonly #message: Message;
  #whole: Buffer | undefined;
  #header: Buffer | undefined;
  #tree: Part | undefined;

  constructor(session: Session, view: View, message: Message) {
    this.#session = session;
    this.#view = view;
    this.#message = message;
  }

  /** False when the message is gone. */
  async tell(number: number, items: readonly FetchItem[]): Promise<boolean> {
    const parts: (string | Buffer | "stream")[] = [];
    let text = `* ${number} FETCH (`;
    const streamed = items.length > 0 && (await this.#streamed(items));
    for (const [at, item] of items.entries()) {
      if (at > 0) text += " ";
      if (item === streamed) {
        const size = await wireSize(this.#view.folder, this.#message);
        parts.push(`${text}${streamed.name} {${size}}\r\n`, "stream");
        text = "";
        continue;
      }
      const value = await this.#value(item);
      if (value === undefined) return false;
      if (typeof value === "string") text += value;
      else {
        parts.push(`${text}${value.name} {${value.bytes.length}}\r\n`, value.bytes);
        text = "";
      }
    }
    parts.push(`${text})\r\n`);
    await this.#send(parts);
    return true;
  }

  /** BODY[] of a large message, when it is asked for: it goes out as it is read. */
  async #streamed(items: readonly FetchItem[]) {
    for (const item of items) {
      const plain = item.kind === "section" && item.section.what === "all" && item.section.part.length === 0;
      if (!plain || item.partial) continue;
      if ((await wireSize(this.#view.folder, this.#message)) >= STREAMED) return item;
    }
    return undefined;
  }

  async #send(parts: readonly (string | Buffer | "stream")[]): Promise<void> {
    for (const part of parts) {
      if (part !== "stream")
        await this.#session.sayBytes(typeof part === "string" ? Buffer.from(part, "latin1") : part);
      else await this.#stream();
    }
  }

  /** Exactly as many bytes as were announced, or the connection must end: the client would take what follows for the body. */
  async #stream(): Promise<void> {
    let left = await wireSize(this.#view.folder, this.#message);
    for await (const chunk of chunksOf(this.#view.folder, this.#message)) {
      const part = chunk.subarray(0, left);
      left -= part.length;
      await this.#session.sayBytes(part);
    }
    if (left > 0) this.#session.stream.destroy();
  }

  async #value(
    item: FetchItem,
  ): Promise<string | { readonly name: string; readonly bytes: Buffer } | undefined> {
    const { folder } = this.#view;
    switch (item.kind) {
      case "flags":
        return `FLAGS ${this.#view.flagsOf(this.#message)}`;
      case "uid":
        return `UID ${this.#message.uid}`;
      case "internaldate":
        return `INTERNALDATE ${formatInternalDate(await receivedAt(folder, this.#message, (at) => this.#session.disk.stat(at)))}`;
      case "size":
        return `RFC822.SIZE ${await wireSize(folder, this.#message)}`;
      case "envelope": {
        const header = await this.#headerBytes();
        return header && `ENVELOPE ${formatEnvelope(parseFields(header))}`;
      }
      case "body":
      case "bodystructure": {
        const [bytes, tree] = [await this.#wholeBytes(), await this.#parts()];
        const extended = item.kind === "bodystructure";
        return (
          bytes &&
          tree &&
          `${extended ? "BODYSTRUCTURE" : "BODY"} ${formatBodyStructure(bytes, tree, extended)}`
        );
      }
      case "section": {
        const bytes = await this.#section(item.section);
        if (bytes === undefined) return undefined;
        if (bytes === "none") return `${item.name} NIL`;
        const { partial } = item;
        const cut = partial ? bytes.subarray(partial.start, partial.start + partial.length) : bytes;
        return { name: item.name, bytes: cut };
      }
    }
  }

  async #wholeBytes(): Promise<Buffer | undefined> {
    this.#whole ??= await wholeMessage(this.#view.folder, this.#message);
    return this.#whole;
  }

  async #headerBytes(): Promise<Buffer | undefined> {
    if (this.#whole) return this.#whole.subarray(0, headerEnd(this.#whole));
    this.#header ??= await headerOf(this.#view.folder, this.#message);
    return this.#header;
  }

  async #parts(): Promise<Part | undefined> {
    const bytes = await this.#wholeBytes();
    if (bytes) this.#tree ??= parseMime(bytes);
    return this.#tree;
  }

  /** The bytes of a section; "none" when there is no such part; undefined when the message is gone. */
  async #section(section: Section): Promise<Buffer | "none" | undefined> {
    if (section.part.length === 0 && section.what !== "all" && section.what !== "text") {
      const header = await this.#headerBytes();
      return header && pickFields(header, section);
    }
    const bytes = await this.#wholeBytes();
    if (!bytes) return undefined;
    if (section.part.length === 0) return section.what === "all" ? bytes : bytes.subarray(headerEnd(bytes));
    const tree = await this.#parts();
    const part = tree && findPart(tree, section.part);
    return part ? sectionOf(bytes, part, section) : "none";
  }
}

/** RFC 9051 §6.4.5.1: HEADER and TEXT of a part are those of the message in it. */
function sectionOf(bytes: Buffer, part: Part, section: Section): Buffer | "none" {
  switch (section.what) {
    case "all":
      return bytes.subarray(part.bodyStart, part.end);
    case "mime":
      return bytes.subarray(part.headerStart, part.bodyStart);
    case "text":
      return part.message ? bytes.subarray(part.message.bodyStart, part.message.end) : "none";
    case "header":
    case "fields":
    case "fieldsNot":
      return part.message
        ? pickFields(bytes.subarray(part.message.headerStart, part.message.bodyStart), section)
        : "none";
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
