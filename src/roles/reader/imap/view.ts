// View: a selected mailbox as one session has been told of it: sequence numbers change only when the session may hear of it.

import type { Folder, Message } from "#store/maildir/folder.ts";
import { flagNames } from "#store/maildir/names.ts";
import { resolveSequence, type SequenceSet } from "#wire/imap/sequence.ts";

export interface Picked {
  /** Its sequence number. */
  readonly number: number;
  readonly message: Message;
}

export class View {
  readonly folder: Folder;
  readonly readOnly: boolean;
  /** The name it was selected by. */
  readonly name: string;
  /** What the session knows; place + 1 is the sequence number. */
  list: Message[];
  readonly recent = new Set<Message>();
  #expunges: number;
  #changes: number;
  /** Changes this session made itself and has been told of, or wants not to be. */
  #told = new Map<Message, number>();

  constructor(name: string, folder: Folder, readOnly: boolean) {
    this.name = name;
    this.folder = folder;
    this.readOnly = readOnly;
    this.list = [...folder.messages];
    this.#expunges = folder.expunges;
    this.#changes = folder.changes;
    for (const message of this.list) this.#meet(message);
  }

  /** Recent is who sees a new message first (RFC 3501 §2.3.2); EXAMINE does not take it away from others. */
  #meet(message: Message): void {
    if (!message.recent) return;
    this.recent.add(message);
    if (!this.readOnly) message.recent = false;
  }

  flagsOf(message: Message): string {
    const names = flagNames(message.flags);
    return `(${(this.recent.has(message) ? ["\\Recent", ...names] : names).join(" ")})`;
  }

  /** The session needs no word of this message's last change. */
  know(message: Message): void {
    this.#told.set(message, message.changed);
  }

  /** Something happened that `news` would tell. */
  get stale(): boolean {
    const { folder } = this;
    const last = folder.messages[folder.messages.length - 1]?.uid ?? 0;
    return folder.expunges !== this.#expunges || folder.changes !== this.#changes || last > this.#lastUid;
  }

  get #lastUid(): number {
    return this.list[this.list.length - 1]?.uid ?? 0;
  }

  /** Untagged lines that bring the session up to date; without expunges where RFC 9051 §7.5.1 forbids them. */
  news(withExpunges: boolean): readonly string[] {
    const lines: string[] = [];
    if (withExpunges && this.folder.expunges !== this.#expunges) this.#tellExpunges(lines);
    const last = this.#lastUid;
    const { messages } = this.folder;
    let from = messages.length;
    while (from > 0 && (messages[from - 1]?.uid ?? 0) > last) from--;
    const fresh = messages.slice(from);
    if (fresh.length > 0) {
      for (const message of fresh) this.#meet(message);
      this.list = this.list.concat(fresh);
      lines.push(`* ${this.list.length} EXISTS`, `* ${this.recent.size} RECENT`);
    }
    if (this.folder.changes !== this.#changes) this.#tellFlags(lines);
    return lines;
  }

  #tellExpunges(lines: string[]): void {
    this.#expunges = this.folder.expunges;
    const left: Message[] = [];
    let gone = 0;
    for (const [at, message] of this.list.entries()) {
      if (message.gone) {
        // each EXPUNGE moves the numbers behind it down
        lines.push(`* ${at + 1 - gone} EXPUNGE`);
        gone++;
        this.recent.delete(message);
      } else left.push(message);
    }
    this.list = left;
  }

  #tellFlags(lines: string[]): void {
    for (const [at, message] of this.list.entries()) {
      if (message.changed <= this.#changes || this.#told.get(message) === message.changed) continue;
      lines.push(`* ${at + 1} FETCH (UID ${message.uid} FLAGS ${this.flagsOf(message)})`);
    }
    this.#changes = this.folder.changes;
    this.#told.clear();
  }

  /** Messages of a set of sequence numbers or UIDs, ascending, with their sequence numbers. Those that do not exist are left out. */
  pick(set: SequenceSet, byUid: boolean): readonly Picked[] {
    const { list } = this;
    const picked: Picked[] = [];
    for (const { from, to } of resolveSequence(set, byUid ? this.#lastUid : list.length)) {
      const first = byUid ? firstFrom(list, from) : Math.max(from - 1, 0);
      const last = byUid ? firstFrom(list, to + 1) : to;
      for (const [at, message] of list.slice(first, last).entries())
        picked.push({ number: first + at + 1, message });
    }
    return picked;
  }
}

/** The place of the first message whose uid is at least `uid`. */
function firstFrom(list: readonly Message[], uid: number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle]?.uid ?? 0) < uid) low = middle + 1;
    else high = middle;
  }
  return low;
}
