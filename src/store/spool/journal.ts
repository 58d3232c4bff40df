// Journal: takes records, writes all that have gathered with one write and one sync, then answers all of them (docs/queue.md I4–I6).
// No timer and no delay when idle: what comes while a sync runs is the next batch.

import path from "node:path";
import type { Clock, Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import type { Disk } from "#sys/disk.ts";
import { filePlace, type Place } from "./place.ts";
import { END, FIRST, formatMessage, formatNote, PROGRESS, seal, type Unsealed } from "./record.ts";
import type { Recovered } from "./recovery.ts";
import type { Segment } from "./segment.ts";
import { Segments } from "./segments.ts";
import { formatHead, formatProgress, type Head, type Kept, type ProgressNote } from "./state.ts";

export interface JournalOptions {
  readonly disk: Disk;
  /** The spool directory; `journal` in it exists. */
  readonly directory: string;
  readonly clock: Clock;
  readonly segmentSize: number;
  /** The greatest prefix of an id given so far (Q8). */
  readonly floor: () => number;
  readonly events: JournalEvents;
}

export interface JournalEvents {
  /** A batch failed; its segment was left. */
  syncFailed(segment: number, reason: Trouble): void;
  /** Anything else that did not work; it is tried again. */
  trouble(reason: Trouble): void;
  /** Nothing on disk speaks of this refused message any more: its body file may go. */
  forgotten(id: string): void;
  /** Copying the live messages of this segment forward would free space (C3). */
  crowded(segment: number): void;
}

/** How soon a record is wanted on disk: `mail` and `now` start a batch, `soon` waits a little for one to go with. */
export type Urgency = "now" | "soon";

interface Item {
  readonly record: Unsealed;
  /** Starts a batch by itself. */
  readonly urgent: boolean;
  /** Durable, in this segment at this offset. */
  readonly done: (segment: Segment, offset: number) => void;
  /** Mail somebody waits for is refused when it cannot be written; everything else is written again until it is durable. */
  readonly refused: ((reason: Trouble) => void) | undefined;
  /** Written behind a refused message that may be on disk all the same. */
  readonly id: string;
}

/** Two failures within this time, or a segment that cannot be made: nothing is tried for as long. */
const BLOCKED = 1000;

export class Journal {
  readonly #options: JournalOptions;
  readonly #segments: Segments;
  #current: Segment | undefined;
  /** The one after `current` was asked for. */
  #prepared = false;
  #pending: Item[] = [];
  /** How many of `pending` start a batch. */
  #urgent = 0;
  #running = false;
  #closed = false;
  #timer: Timer | undefined;
  #blocked: Trouble | undefined;
  #failedAt = Number.NEGATIVE_INFINITY;
  #syncs = 0;
  #idle: (() => void)[] = [];

  constructor(options: JournalOptions, recovered: Recovered) {
    this.#options = options;
    const { disk, directory, segmentSize, floor, events } = options;
    this.#segments = new Segments(
      { disk, directory: path.join(directory, "journal"), segmentSize, floor, trouble: events.trouble },
      { number: recovered.lastNumber, generation: recovered.lastGeneration },
    );
    for (const segment of recovered.segments) this.#segments.found(segment);
    const { messages } = recovered;
    for (const slot of messages.slots())
      this.#segments.hold(messages.segmentOf(slot), messages.lengthOf(slot));
    this.#segments.prepare();
  }

  /** A message with its inline body (none when it has a file). Resolves when it is durable (Q1); Trouble when it is refused. */
  add(head: Head, body: readonly Buffer[]): Promise<Kept> {
    if (this.#blocked) return this.#refuse(head.id, this.#blocked);
    const record = formatMessage(formatHead(head), body);
    if (record.length > this.#options.segmentSize - FIRST) {
      const reason = new Trouble("add message", "Cannot add message: too long for a segment", {
        code: "EFBIG",
      });
      return this.#refuse(head.id, reason);
    }
    return new Promise((resolve, reject) => {
      const done = (segment: Segment, offset: number) => resolve(this.#keep(head, record, [segment, offset]));
      this.#put({ record, urgent: true, done, refused: reject, id: head.id });
    });
  }

  /** As `add`, for mail of our own (bounces, copies): never refused, written again until it is durable. */
  insist(head: Head, body: readonly Buffer[], urgency: Urgency): Promise<Kept> {
    const record = formatMessage(formatHead(head), body);
    return new Promise((resolve) => {
      const done = (segment: Segment, offset: number) => resolve(this.#keep(head, record, [segment, offset]));
      this.#put({ record, urgent: urgency === "now", done, refused: undefined, id: head.id });
    });
  }

  /** How far a message is. `done` when it is durable. */
  progress(note: ProgressNote, urgency: Urgency, done: () => void = () => {}): void {
    this.#note(formatNote(PROGRESS, formatProgress(note)), urgency, [note.id, done]);
  }

  /** Nothing is left to do for a message. `done` when that is durable. */
  end(id: string, urgency: Urgency, done: () => void): void {
    this.#note(formatNote(END, id), urgency, [id, done]);
  }

  /** The record there is not needed any more: the end of its message, or a copy of it, is durable. */
  release(kept: Kept): void {
    this.#segments.release(kept.segment, kept.length);
  }

  get syncs(): number {
    return this.#syncs;
  }

  get segments(): number {
    return this.#segments.count;
  }

  /** Writes what is left and closes. What cannot be written now is what a crash would lose. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    if (this.#pending.length > 0 && !this.#running) this.#start();
    if (this.#running) await new Promise<void>((resolve) => this.#idle.push(resolve));
    await this.#segments.idle();
    await this.#current?.close().catch(() => {});
  }

  #refuse(id: string, reason: Trouble): Promise<never> {
    this.#options.events.forgotten(id);
    return Promise.reject(reason);
  }

  #note(record: Unsealed, urgency: Urgency, [id, done]: readonly [string, () => void]): void {
    this.#put({ record, urgent: urgency === "now", done, refused: undefined, id });
  }

  #keep(head: Head, record: Unsealed, [segment, offset]: readonly [Segment, number]): Kept {
    const { length, body } = record;
    this.#segments.hold(segment.number, length);
    const place: Place = head.file
      ? filePlace(head)
      : {
          kind: "inline",
          segment: segment.number,
          generation: segment.life.generation,
          offset,
          length,
          body,
          size: length - body,
        };
    return { place, segment: segment.number, length };
  }

  #put(item: Item): void {
    this.#pending.push(item);
    if (item.urgent) this.#urgent++;
    if (this.#running || this.#blocked) return;
    if (item.urgent) this.#start();
    else this.#timer ??= this.#options.clock.after(limits.queue.noteDelay, () => this.#start());
  }

  #start(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#running) return;
    this.#running = true;
    // everything else that came in with this turn of the event loop goes with it
    setImmediate(() => void this.#run());
  }

  async #run(): Promise<void> {
    do await this.#batch();
    while (!this.#blocked && (this.#urgent > 0 || (this.#closed && this.#pending.length > 0)));
    this.#running = false;
    for (const wake of this.#idle.splice(0)) wake();
    if (this.#pending.length > 0 && !this.#blocked && !this.#closed) {
      this.#timer ??= this.#options.clock.after(limits.queue.noteDelay, () => this.#start());
    }
  }

  async #batch(): Promise<void> {
    if (this.#pending.length === 0) return;
    let segment: Segment;
    try {
      segment = await this.#room();
    } catch (thrown) {
      return this.#block(Trouble.from("make segment", thrown));
    }
    const items = this.#take(segment.room);
    const chunks: Buffer[] = [];
    let length = 0;
    for (const item of items) {
      seal(item.record, segment.life.nonce, segment.seed);
      for (const chunk of item.record.chunks) chunks.push(chunk);
      length += item.record.length;
    }
    let offset = segment.position;
    try {
      await segment.append(chunks, length);
      this.#syncs++;
    } catch (thrown) {
      return this.#abandon(segment, items, Trouble.from("sync journal", thrown));
    }
    for (const item of items) {
      item.done(segment, offset);
      offset += item.record.length;
    }
    if (!this.#prepared && segment.room < segment.size / 2) {
      this.#prepared = true;
      this.#segments.prepare();
    }
  }

  /** The segment in use, when the first waiting record fits into it, else the next one. */
  async #room(): Promise<Segment> {
    const wanted = this.#pending[0]?.record.length ?? 0;
    if (this.#current && wanted <= this.#current.room) return this.#current;
    const full = this.#current;
    this.#current = undefined;
    if (full) {
      this.#segments.leave(full.number, false);
      await full.close().catch(() => {});
    }
    this.#current = await this.#segments.next();
    this.#prepared = false;
    const crowded = this.#segments.crowded;
    if (crowded !== undefined) this.#options.events.crowded(crowded);
    return this.#current;
  }

  /** The waiting records, in their order, that fit into one batch. */
  #take(room: number): readonly Item[] {
    let length = 0;
    let count = 0;
    for (const { record } of this.#pending) {
      length += record.length;
      if (length > room || (count > 0 && length > limits.queue.batch)) break;
      count++;
    }
    const items = this.#pending.splice(0, count);
    for (const item of items) if (item.urgent) this.#urgent--;
    return items;
  }

  /** Q7: what was written may be on disk or not. Nobody is told that it is; what must not be lost is written again elsewhere. */
  async #abandon(segment: Segment, items: readonly Item[], reason: Trouble): Promise<void> {
    const { events, clock } = this.#options;
    this.#current = undefined;
    this.#segments.leave(segment.number, true);
    events.syncFailed(segment.number, reason);
    const again: Item[] = [];
    for (const item of items) {
      if (!item.refused) again.push(item);
      else {
        // its sender will send it again: the copy that may be on disk must not be delivered too
        const record = formatNote(END, item.id);
        const done = () => events.forgotten(item.id);
        again.push({ record, urgent: false, done, refused: undefined, id: item.id });
        item.refused(reason);
      }
    }
    this.#pending = [...again, ...this.#pending];
    this.#urgent += again.filter((item) => item.urgent).length;
    await segment.close().catch(() => {});
    const now = clock.monotonic();
    if (now - this.#failedAt < BLOCKED) this.#block(reason);
    this.#failedAt = now;
  }

  /** Refuses what waits for an answer, and everything new, for a while; then tries again. */
  #block(reason: Trouble): void {
    this.#options.events.trouble(reason);
    const waiting = this.#pending;
    this.#pending = waiting.filter((item) => !item.refused);
    this.#urgent = this.#pending.filter((item) => item.urgent).length;
    for (const item of waiting) {
      if (!item.refused) continue;
      item.refused(reason);
      this.#options.events.forgotten(item.id);
    }
    if (this.#closed) return void (this.#blocked = reason);
    this.#blocked = reason;
    this.#options.clock.after(BLOCKED, () => {
      this.#blocked = undefined;
      if (this.#pending.length > 0) this.#start();
    });
  }
}
