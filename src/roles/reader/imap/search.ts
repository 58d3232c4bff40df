// SEARCH: looks at flags and sizes first, opens messages only where a key needs their text.

import type { Message } from "#store/maildir/folder.ts";
import { readSearch, type SearchKey } from "#wire/imap/search.ts";
import { inSequence } from "#wire/imap/sequence.ts";
import { decodeWords, firstValue, headerEnd, parseFields } from "#wire/message/header.ts";
import { headerOf, receivedAt, wholeMessage, wireSize } from "../content.ts";
import { no, ok, type Session, selectedVerb, type Verb } from "./state.ts";
import type { View } from "./view.ts";

const CHARSETS = new Set(["US-ASCII", "UTF-8"]);

export const searchVerb = (byUid: boolean): Verb => ({
  ...selectedVerb(
    (args) => {
      args.space();
      return readSearch(args);
    },
    async (session, view, { charset, key }) => {
      if (!CHARSETS.has(charset)) return no("[BADCHARSET (US-ASCII UTF-8)] This charset is not known here");
      const found: number[] = [];
      for (const [at, message] of view.list.entries()) {
        if (message.gone) continue;
        if (await new Candidate(session, view, message, at + 1).matches(key))
          found.push(byUid ? message.uid : at + 1);
      }
      await session.say(["* SEARCH", ...found].join(" "));
      return ok("Searched");
    },
  ),
  ...(byUid ? {} : { keepsNumbers: true }),
});

/** A text as it is compared: Unicode, lower case. */
const folded = (bytes: string): string => Buffer.from(bytes, "latin1").toString("utf8").toLowerCase();

class Candidate {
  readonly #session: Session;
  readonly #view: View;
  readonly #message: Message;
  readonly #number: number;
  #header: Buffer | undefined;
  #whole: Buffer | undefined;

  constructor(session: Session, view: View, message: Message, number: number) {
    this.#session = session;
    this.#view = view;
    this.#message = message;
    this.#number = number;
  }

  async matches(key: SearchKey): Promise<boolean> {
    const message = this.#message;
    const { list, recent, folder } = this.#view;
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
        return inSequence(key.set, this.#number, list.length);
      case "uid":
        return inSequence(key.set, message.uid, list[list.length - 1]?.uid ?? 0);
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
        return (
          folded(((await this.#bytes()) ?? Buffer.alloc(0)).toString("latin1")).includes(folded(key.text)) ||
          this.#inHeader("", folded(key.text))
        );
      case "body":
        return this.#inBody(folded(key.text));
    }
  }

  /** Cheap keys first: a search for text among unseen messages opens the unseen ones only. */
  async #all(keys: readonly SearchKey[]): Promise<boolean> {
    const costly = new Set(["header", "text", "body", "and", "or", "not", "date"]);
    const ordered = [...keys].sort((a, b) => Number(costly.has(a.kind)) - Number(costly.has(b.kind)));
    for (const key of ordered) if (!(await this.matches(key))) return false;
    return true;
  }

  async #dated({ sent, from, to }: Extract<SearchKey, { kind: "date" }>): Promise<boolean> {
    const ms = sent
      ? Date.parse(firstValue(parseFields(await this.#headerBytes()), "Date") ?? "")
      : await receivedAt(this.#view.folder, this.#message, (at) => this.#session.disk.stat(at));
    // the zone is disregarded (RFC 9051 §6.4.4): days are those of UTC
    return ms >= from && ms < to;
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

  async #inBody(text: string): Promise<boolean> {
    const bytes = await this.#bytes();
    return bytes !== undefined && folded(bytes.toString("latin1", headerEnd(bytes))).includes(text);
  }

  async #headerBytes(): Promise<Buffer> {
    this.#header ??= (await headerOf(this.#view.folder, this.#message)) ?? Buffer.alloc(0);
    return this.#header;
  }

  async #bytes(): Promise<Buffer | undefined> {
    this.#whole ??= await wholeMessage(this.#view.folder, this.#message);
    return this.#whole;
  }
}
