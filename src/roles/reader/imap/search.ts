// SEARCH: looks at flags and sizes first, opens messages only where a key needs their text.

import type { Message } from "#store/maildir/folder.ts";
import { dayOfDate, readSearch, type SearchKey } from "#wire/imap/search.ts";
import { inRanges, resolveSequence } from "#wire/imap/sequence.ts";
import { decodeWords, firstValue, headerEnd, parseFields } from "#wire/message/header.ts";
import { parseMime } from "#wire/message/mime.ts";
import { hiddenTexts } from "#wire/message/text.ts";
import { headerOf, receivedAt, wholeMessage, wireSize } from "../content.ts";
import { no, ok, type Session, selectedVerb, type Verb } from "./state.ts";
import type { Picked, View } from "./view.ts";

const CHARSETS = new Set(["US-ASCII", "UTF-8"]);

/** Messages looked at together, while their bytes are no more than this. */
const TOGETHER = 8;
const TOGETHER_BYTES = 1024 * 1024;

export const searchVerb = (byUid: boolean): Verb => ({
  ...selectedVerb(
    (args) => {
      args.space();
      return readSearch(args);
    },
    async (session, view, { charset, key }) => {
      if (!CHARSETS.has(charset)) return no("[BADCHARSET (US-ASCII UTF-8)] This charset is not known here");
      const found = await search(session, view, resolved(key, view));
      await session.say(
        ["* SEARCH", ...found.map((each) => (byUid ? each.message.uid : each.number))].join(" "),
      );
      return ok("Searched");
    },
  ),
  ...(byUid ? {} : { keepsNumbers: true }),
});

/** Sets in terms of this mailbox, once and not for each message. */
function resolved(key: SearchKey, view: View): SearchKey {
  switch (key.kind) {
    case "and":
      return { kind: "and", keys: key.keys.map((each) => resolved(each, view)) };
    case "or":
      return { kind: "or", keys: [resolved(key.keys[0], view), resolved(key.keys[1], view)] };
    case "not":
      return { kind: "not", key: resolved(key.key, view) };
    case "sequence":
      return { kind: "sequence", set: resolveSequence(key.set, view.list.length) };
    case "uid":
      return { kind: "uid", set: resolveSequence(key.set, view.list[view.list.length - 1]?.uid ?? 0) };
    default:
      return key;
  }
}

async function search(session: Session, view: View, key: SearchKey): Promise<readonly Picked[]> {
  const found: Picked[] = [];
  let batch: Picked[] = [];
  let bytes = 0;
  const look = async () => {
    const tried = batch;
    batch = [];
    bytes = 0;
    const matched = await Promise.all(tried.map((each) => new Candidate(session, view, each).matches(key)));
    found.push(...tried.filter((_, at) => matched[at]));
  };
  for (const [at, message] of view.list.entries()) {
    if (message.gone) continue;
    batch.push({ number: at + 1, message });
    bytes += message.wireSize ?? TOGETHER_BYTES;
    if (batch.length >= TOGETHER || bytes >= TOGETHER_BYTES) await look();
  }
  await look();
  return found;
}

/** A text as it is compared: Unicode, lower case. */
const folded = (bytes: string): string => Buffer.from(bytes, "latin1").toString("utf8").toLowerCase();

const costly: ReadonlySet<SearchKey["kind"]> = new Set([
  "header",
  "text",
  "body",
  "and",
  "or",
  "not",
  "date",
]);

class Candidate {
  readonly #session: Session;
  readonly #view: View;
  readonly #message: Message;
  readonly #number: number;
  #header: Promise<Buffer | undefined> | undefined;
  #whole: Promise<Buffer | undefined> | undefined;

  constructor(session: Session, view: View, { message, number }: Picked) {
    this.#session = session;
    this.#view = view;
    this.#message = message;
    this.#number = number;
  }

  async matches(key: SearchKey): Promise<boolean> {
    const message = this.#message;
    const { recent, folder } = this.#view;
    switch (key.kind) {
      case "all":
        return true;
      case "and":
        return this.#all(key.keys);
      case "or":
        return (await this.matches(key.keys[0])) || (await this.matches(key.keys[1]));
      case "not":
        return !(await this.matches(key.key));
      case "sequence":
        return inRanges(key.set, this.#number);
      case "uid":
        return inRanges(key.set, message.uid);
      case "flag":
        return message.flags.includes(key.letter) === key.set;
      case "recent":
        return recent.has(message) === key.set;
      case "larger":
        return (await wireSize(folder, message)) > key.size;
      case "smaller":
        return (await wireSize(folder, message)) < key.size;
      case "date":
        return this.#dated(key);
      case "header":
        return this.#inHeader(key.name, folded(key.text));
      case "text":
        return (await this.#inHeader("", folded(key.text))) || this.#inText(folded(key.text), 0);
      case "body":
        return this.#inText(folded(key.text), headerEnd((await this.#bytes()) ?? Buffer.alloc(0)));
    }
  }

  /** Cheap keys first: a search for text among unseen messages opens the unseen ones only. */
  async #all(keys: readonly SearchKey[]): Promise<boolean> {
    for (const key of keys) if (!costly.has(key.kind) && !(await this.matches(key))) return false;
    for (const key of keys) if (costly.has(key.kind) && !(await this.matches(key))) return false;
    return true;
  }

  /** Zones and times are disregarded (RFC 9051 §6.4.4): the day is that which is written, or that of UTC. */
  async #dated({ sent, from, to }: Extract<SearchKey, { kind: "date" }>): Promise<boolean> {
    const ms = sent
      ? dayOfDate(firstValue(parseFields(await this.#headerBytes()), "Date") ?? "")
      : await receivedAt(this.#view.folder, this.#message, (at) => this.#session.disk.stat(at));
    return ms !== undefined && ms >= from && ms < to;
  }

  /** A field with this name ("": any) that contains the text; an empty text matches every such field. */
  async #inHeader(name: string, text: string): Promise<boolean> {
    const wanted = name.toLowerCase();
    return parseFields(await this.#headerBytes()).some(
      (field) =>
        (wanted === "" || field.name.toLowerCase() === wanted) &&
        decodeWords(field.value).toLowerCase().includes(text),
    );
  }

  /** In the bytes as they stand, or in texts that they hide in an encoding. */
  async #inText(text: string, from: number): Promise<boolean> {
    const bytes = await this.#bytes();
    if (!bytes) return false;
    if (bytes.toString("utf8", from).toLowerCase().includes(text)) return true;
    for (const hidden of hiddenTexts(bytes, parseMime(bytes))) {
      if (hidden.toLowerCase().includes(text)) return true;
    }
    return false;
  }

  async #headerBytes(): Promise<Buffer> {
    const whole = await this.#whole;
    if (whole) return whole.subarray(0, headerEnd(whole));
    this.#header ??= headerOf(this.#view.folder, this.#message);
    return (await this.#header) ?? Buffer.alloc(0);
  }

  #bytes(): Promise<Buffer | undefined> {
    this.#whole ??= wholeMessage(this.#view.folder, this.#message);
    return this.#whole;
  }
}
