// Segments: all files of the journal in the order of their generations, and what of each is still needed (docs/queue.md Q6, C1, C2).

import path from "node:path";
import { limits } from "#base/limits.ts";
import { Trouble } from "#base/problem.ts";
import type { Disk } from "#sys/disk.ts";
import { segmentName } from "./record.ts";
import type { FoundSegment } from "./recovery.ts";
import { makeSegment, recycleSegment, type Segment } from "./segment.ts";

/** A segment as those who come after it see it. */
interface Past {
  readonly number: number;
  readonly size: number;
  /** Live messages whose newest record is here, and the bytes of those records. */
  live: number;
  bytes: number;
  /** A write to it failed: it is removed, never written again (Q7). */
  spoilt: boolean;
  /** In use, or ready for use. */
  open: boolean;
}

export interface SegmentsOptions {
  readonly disk: Disk;
  /** spool/journal */
  readonly directory: string;
  readonly segmentSize: number;
  /** The greatest prefix of an id given so far. */
  readonly floor: () => number;
  readonly trouble: (reason: Trouble) => void;
}

export class Segments {
  readonly #options: SegmentsOptions;
  /** Oldest first; the last ones may be in use or ready for use. */
  readonly #all: Past[] = [];
  readonly #byNumber = new Map<number, Past>();
  #number: number;
  #generation: number;
  /** One step on files at a time, so that their order holds (Q6). */
  #busy: Promise<unknown> = Promise.resolve();
  #ready: Promise<Segment> | undefined;

  constructor(options: SegmentsOptions, last: { readonly number: number; readonly generation: number }) {
    this.#options = options;
    this.#number = last.number;
    this.#generation = last.generation;
  }

  /** A segment that recovery found; oldest first. */
  found(segment: FoundSegment): void {
    this.#add({ number: segment.number, size: segment.size, live: 0, bytes: 0, spoilt: false, open: false });
  }

  /** A live message's newest record lies there. */
  hold(segment: number, length: number): void {
    const past = this.#byNumber.get(segment);
    if (!past) return;
    past.live++;
    past.bytes += length;
  }

  /** It does no more: the end, or a copy further on, is durable. */
  release(segment: number, length: number): void {
    const past = this.#byNumber.get(segment);
    if (!past) return;
    past.live--;
    past.bytes -= length;
    if (past.live === 0 && this.#free() > limits.queue.spareSegments) void this.#inTurn(() => this.#trim());
  }

  /** Makes the next segment ready before it is needed. */
  prepare(): void {
    if (this.#ready !== undefined) return;
    const ready = this.#inTurn(() => this.#make());
    this.#ready = ready;
    ready.catch(() => {
      // whoever takes it hears of the failure; whoever comes later tries again
      if (this.#ready === ready) this.#ready = undefined;
    });
  }

  /** The next segment. Trouble when there can be none now. */
  next(): Promise<Segment> {
    this.prepare();
    const ready = this.#ready ?? Promise.reject(new Trouble("make segment", "No segment"));
    this.#ready = undefined;
    return ready;
  }

  /** Nothing is written to that segment any more; `spoilt`: because a write failed (Q7). */
  leave(segment: number, spoilt: boolean): void {
    const past = this.#byNumber.get(segment);
    if (!past) return;
    past.open = false;
    past.spoilt = spoilt;
  }

  /** The oldest segment, when copying its few live messages forward is worth it (C3): at least half of all records are dead then. */
  get crowded(): number | undefined {
    const [front] = this.#all;
    if (!front || front.live === 0) return undefined;
    const bytes = this.#all.reduce((sum, each) => sum + each.bytes, 0);
    const wanted = 2 * Math.ceil(bytes / this.#options.segmentSize) + limits.queue.spareSegments;
    return this.#all.length > wanted ? front.number : undefined;
  }

  get count(): number {
    return this.#all.length;
  }

  /** Resolves when no step on files is under way. */
  async idle(): Promise<void> {
    await this.#busy.catch(() => {});
  }

  #add(past: Past): void {
    this.#all.push(past);
    this.#byNumber.set(past.number, past);
  }

  /** How many of the oldest nobody needs. */
  #free(): number {
    const needed = this.#all.findIndex((each) => each.open || each.live > 0);
    return needed < 0 ? this.#all.length : needed;
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const done = this.#busy.then(step, step);
    this.#busy = done.catch(() => {});
    return done;
  }

  async #make(): Promise<Segment> {
    const { segmentSize } = this.#options;
    while (this.#free() > 0) {
      const [front] = this.#all;
      if (!front) break;
      if (front.spoilt || front.size !== segmentSize) {
        if (!(await this.#removed(front))) break;
        continue;
      }
      const recycled = await this.#recycled(front);
      if (recycled) return recycled;
    }
    const segment = await makeSegment({ ...this.#slot(), number: ++this.#number });
    this.#add({ number: segment.number, size: segmentSize, live: 0, bytes: 0, spoilt: false, open: true });
    return segment;
  }

  #slot() {
    const { disk, directory, segmentSize, floor } = this.#options;
    return { disk, directory, generation: ++this.#generation, floor: floor(), size: segmentSize };
  }

  async #recycled(front: Past): Promise<Segment | undefined> {
    try {
      const segment = await recycleSegment({ ...this.#slot(), number: front.number });
      this.#all.shift();
      this.#add({ ...front, open: true });
      return segment;
    } catch (thrown) {
      // its header may be anything now, and nothing in it is needed: it goes
      this.#options.trouble(Trouble.from("recycle segment", thrown));
      front.spoilt = true;
      return undefined;
    }
  }

  async #trim(): Promise<void> {
    while (this.#free() > limits.queue.spareSegments) {
      const [front] = this.#all;
      if (!front || !(await this.#removed(front))) return;
    }
  }

  /** Removes the oldest; its name must be durably gone before anything else happens (Q6). */
  async #removed(front: Past): Promise<boolean> {
    const { disk, directory, trouble } = this.#options;
    try {
      await disk.remove(path.join(directory, segmentName(front.number)));
      await disk.syncDirectory(directory);
      this.#all.shift();
      this.#byNumber.delete(front.number);
      return true;
    } catch (thrown) {
      trouble(Trouble.from("remove segment", thrown));
      front.spoilt = true;
      return false;
    }
  }
}
