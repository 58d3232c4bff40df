// View: a selected mailbox as one session has been told of it: sequence numbers change only when the session may hear of it.

import type { Folder, Message } from "#store/maildir/folder.ts";
import { flagNames } from "#store/maildir/names.ts";
import { inSequence, type SequenceSet } from "#wire/imap/sequence.ts";

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
    const fresh = this.folder.messages.filter(({ uid }) => uid > last);
    if (fresh.length > 0) {
      for (const message of fresh) this.#meet(message);
      this.list.push(...fresh);
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

  /** Messages of a set of sequence numbers or UIDs, with their sequence numbers. Numbers out of range are left out. */
  pick(set: SequenceSet, byUid: boolean): readonly { readonly number: number; readonly message: Message }[] {
    const last = byUid ? this.#lastUid : this.list.length;
    const found: { number: number; message: Message }[] = [];
    for (const [at, message] of this.list.entries()) {
      if (inSequence(set, byUid ? message.uid : at + 1, last)) found.push({ number: at + 1, message });
    }
    return found;
  }
}
