// Alarm: what is due later, in a heap with one timer for the first of it.

import type { Clock, Timer } from "#base/clock.ts";

export interface Due {
  /** ms since 1970; fixed while it waits here. */
  due: number;
}

/** The clock may have been set meanwhile: look at least this often (as qmail-send does). */
const LONGEST_SLEEP = 1_500_000;

export class Alarm<T extends Due> {
  readonly #clock: Clock;
  readonly #ring: (items: readonly T[]) => void;
  #heap: T[] = [];
  #timer: Timer | undefined;
  /** What the timer is set for. */
  #set = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, ring: (items: readonly T[]) => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  get size(): number {
    return this.#heap.length;
  }

  add(item: T): void {
    this.#heap.push(item);
    this.#rise(this.#heap.length - 1);
    this.#arm();
  }

  /** Takes out what matches, whenever it is due. */
  take(matches: (item: T) => boolean): readonly T[] {
    const taken = this.#heap.filter(matches);
    if (taken.length === 0) return taken;
    this.#heap = this.#heap.filter((item) => !matches(item)).sort((a, b) => a.due - b.due);
    this.#arm();
    return taken;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#heap = [];
  }

  #arm(): void {
    const first = this.#heap[0];
    const due = first ? first.due : Number.POSITIVE_INFINITY;
    if (due === this.#set && this.#timer) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#set = due;
    if (!first) return;
    const wait = Math.min(Math.max(0, due - this.#clock.now()), LONGEST_SLEEP);
    this.#timer = this.#clock.after(wait, () => this.#wake());
  }

  #wake(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    const due: T[] = [];
    for (let first = this.#heap[0]; first && first.due <= now; first = this.#heap[0]) {
      due.push(first);
      this.#dropFirst();
    }
    this.#arm();
    if (due.length > 0) this.#ring(due);
  }

  #dropFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink(0);
  }

  #rise(from: number): void {
    const heap = this.#heap;
    const item = heap[from];
    if (!item) return;
    let at = from;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (!parent || parent.due <= item.due) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = item;
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const item = heap[from];
    if (!item) return;
    let at = from;
    for (;;) {
      const left = heap[2 * at + 1];
      const right = heap[2 * at + 2];
      const down = right && left && right.due < left.due ? 2 * at + 2 : 2 * at + 1;
      const child = heap[down];
      if (!child || child.due >= item.due) break;
      heap[at] = child;
      at = down;
    }
    heap[at] = item;
  }
}
