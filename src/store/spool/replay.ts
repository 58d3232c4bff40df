// Replay: what the records of a journal say, one after the other, about which messages live and how far they are (docs/queue.md R1).

import { Pool } from "#base/pool.ts";
import { filePlace, type Place } from "./place.ts";
import { END, type Life, MESSAGE, messageParts, PROGRESS, RECORD_HEADER } from "./record.ts";
import { type Head, type Progress, parseHead, parseProgress, type Stored } from "./state.ts";

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

/** Senders and the texts of statuses that many messages have in common. */
const SHARED = 10_000;

/** Most messages in a journal have no progress until they end. */
const NONE: Stored["progress"] = new Map();

export class Replay {
  readonly #shared = new Pool(SHARED);
  /** In no particular order. */
  readonly messages = new Map<string, Stored>();
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
        this.messages.delete(payload.toString());
        return true;
      default:
        return false;
    }
  }

  #message(segment: ReplayedSegment, bytes: Buffer, at: number): boolean {
    const parts = messageParts(bytes);
    const head = parts && parseHead(parts.head);
    if (!parts || !head?.ok) return false;
    const { id, ends, warns, passes } = head.value;
    const known = this.messages.get(id);
    const place = placeOf(head.value, { segment, at, length: bytes.length, body: parts.body });
    this.messages.set(id, {
      head: head.value,
      kept: { place, segment: segment.number, length: bytes.length },
      warned: known?.warned ?? false,
      held: known?.held ?? false,
      progress: known?.progress ?? NONE,
    });
    this.lastPrefix = Math.max(this.lastPrefix, prefixOf(id));
    if (ends !== undefined) this.messages.delete(ends);
    const warned = warns === undefined ? undefined : this.messages.get(warns);
    if (warned) warned.warned = true;
    if (passes) this.#tried(passes.id, [passes.recipient]);
    return true;
  }

  #progress(payload: Buffer): boolean {
    const note = parseProgress(payload);
    if (!note.ok) return false;
    const message = this.messages.get(note.value.id);
    if (!message) return true;
    message.warned ||= note.value.warned;
    message.held = note.value.held ?? message.held;
    this.#tried(note.value.id, note.value.recipients);
    return true;
  }

  #tried(id: string, recipients: readonly Progress[]): void {
    const message = this.messages.get(id);
    if (!message || recipients.length === 0) return;
    const progress = message.progress === NONE ? new Map() : message.progress;
    for (const each of recipients) {
      progress.set(each.index, {
        ...each,
        code: this.#shared.share(each.code),
        text: this.#shared.share(each.text),
      });
    }
    message.progress = progress;
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
