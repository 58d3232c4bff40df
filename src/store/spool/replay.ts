// Replay: what the records of a journal say, one after the other, about which messages live and how far they are (docs/queue.md R1).

import { filePlace, type Place } from "./place.ts";
import { END, type Life, MESSAGE, messageParts, PROGRESS, RECORD_HEADER } from "./record.ts";
import { Shelf } from "./shelf.ts";
import { type Head, type ProgressNote, parseHead, parseProgress } from "./state.ts";

/** A segment as far as its records need it. */
export interface ReplayedSegment {
  readonly number: number;
  readonly life: Life;
}

/** The number that the prefix of an id stands for. */
export function prefixOf(id: string): number {
  const number = Number.parseInt(id.slice(0, id.indexOf("-")), 36);
  return Number.isSafeInteger(number) ? number : 0;
}

export class Replay {
  /** In no particular order. */
  readonly messages = new Shelf();
  /** Ids of messages that were imported; some may have ended. */
  readonly imported = new Set<string>();
  /** The greatest prefix of an id in any record. */
  lastPrefix = 0;

  /** One valid record of a segment and where it starts; false when its payload cannot be read. Segments come in the order of their generations. */
  take(segment: ReplayedSegment, bytes: Buffer, at: number): boolean {
    const payload = bytes.subarray(RECORD_HEADER + 1);
    switch (bytes[RECORD_HEADER]) {
      case MESSAGE:
        return this.#message(segment, bytes, at);
      case PROGRESS:
        return this.#progress(payload);
      case END:
        this.messages.remove(payload.toString());
        return true;
      default:
        return false;
    }
  }

  #message(segment: ReplayedSegment, bytes: Buffer, at: number): boolean {
    const parts = messageParts(bytes);
    const head = parts && parseHead(parts.head);
    if (!parts || !head?.ok) return false;
    const { id, ends, warns, passes, since } = head.value;
    const known = this.messages.slotOf(id);
    const slot = known ?? this.messages.reserve(id);
    const place = placeOf(head.value, { segment, at, length: bytes.length, body: parts.body });
    const kept = { place, segment: segment.number, length: bytes.length };
    if (known === undefined) this.messages.put(slot, { head: head.value, kept, warned: false, held: false });
    // a copy: its progress so far goes on
    else this.messages.move(slot, head.value, kept);
    if (since) {
      this.imported.add(id);
      this.#note(slot, since);
    }
    this.lastPrefix = Math.max(this.lastPrefix, prefixOf(id));
    if (ends !== undefined) this.messages.remove(ends);
    const warned = warns === undefined ? undefined : this.messages.slotOf(warns);
    if (warned !== undefined) this.messages.warn(warned);
    const passed = passes && this.messages.slotOf(passes.id);
    if (passes && passed !== undefined) this.messages.note(passed, [passes.recipient]);
    return true;
  }

  #progress(payload: Buffer): boolean {
    const note = parseProgress(payload);
    if (!note.ok) return false;
    const slot = this.messages.slotOf(note.value.id);
    if (slot !== undefined) this.#note(slot, note.value);
    return true;
  }

  #note(slot: number, { warned, held, recipients }: Omit<ProgressNote, "id">): void {
    if (warned) this.messages.warn(slot);
    if (held !== undefined) this.messages.hold(slot, held);
    this.messages.note(slot, recipients);
  }
}

interface RecordAt {
  readonly segment: ReplayedSegment;
  readonly at: number;
  readonly length: number;
  readonly body: number;
}

function placeOf(head: Head, where: RecordAt): Place {
  if (head.file) return filePlace(head);
  const { segment, at, length, body } = where;
  const { number, life } = segment;
  return {
    kind: "inline",
    segment: number,
    generation: life.generation,
    offset: at,
    length,
    body,
    size: length - body,
  };
}
