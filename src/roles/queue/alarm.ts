// Alarm: when each message is due, in a heap of numbers with one timer for the first of them. A message is known here by its slot.

import type { Clock, Timer } from "#base/clock.ts";

/** The clock may have been set meanwhile: look at least this often (as qmail-send does). */
const LONGEST_SLEEP = 1_500_000;

/** Rung together; others want to be served too. */
const TOGETHER = 1000;

const FIRST_SLOTS = 1024;

/** Not in the heap. */
const NOWHERE = -1;

export class Alarm {
  readonly #clock: Clock;
  readonly #ring: (slots: readonly number[]) => void;
  #heap = new Uint32Array(FIRST_SLOTS);
  #size = 0;
  /** By slot. */
  #dues = new Float64Array(FIRST_SLOTS);
  #places = new Int32Array(FIRST_SLOTS).fill(NOWHERE);
  #timer: Timer | undefined;
  /** What the timer is set for. */
  #set = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, ring: (slots: readonly number[]) => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  get size(): number {
    return this.#size;
  }

  /** Rings once at that time, ms since 1970, instead of when it was to ring; infinity: never. */
  set(slot: number, due: number): void {
    if (due === Number.POSITIVE_INFINITY) return this.clear(slot);
    while (slot >= this.#dues.length) this.#grow();
    const before = this.#dues[slot] ?? 0;
    this.#dues[slot] = due;
    const at = this.#places[slot] ?? NOWHERE;
    if (at === NOWHERE) {
      this.#place(slot, this.#size++);
      this.#rise(this.#size - 1);
    } else if (due < before) this.#rise(at);
    else this.#sink(at);
    this.#arm();
  }

  clear(slot: number): void {
    const at = this.#places[slot] ?? NOWHERE;
    if (at === NOWHERE) return;
    this.#drop(at);
    this.#arm();
  }

  /** Rings now whatever is due. */
  look(): void {
    const now = this.#clock.now();
    const due: number[] = [];
    while (this.#size > 0 && due.length < TOGETHER) {
      const first = this.#heap[0] ?? 0;
      if (this.#due(first) > now) break;
      due.push(first);
      this.#drop(0);
    }
    this.#arm();
    if (due.length > 0) this.#ring(due);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#size = 0;
    this.#places.fill(NOWHERE);
  }

  #due(slot: number): number {
    return this.#dues[slot] ?? Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    const due = this.#size > 0 ? this.#due(this.#heap[0] ?? 0) : Number.POSITIVE_INFINITY;
    if (due === this.#set && this.#timer) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#set = due;
    if (this.#size === 0) return;
    const wait = Math.min(Math.max(0, due - this.#clock.now()), LONGEST_SLEEP);
    this.#timer = this.#clock.after(wait, () => {
      this.#timer = undefined;
      this.look();
    });
  }

  #place(slot: number, at: number): void {
    this.#heap[at] = slot;
    this.#places[slot] = at;
  }

  #drop(at: number): void {
    this.#places[this.#heap[at] ?? 0] = NOWHERE;
    this.#size--;
    if (at === this.#size) return;
    this.#place(this.#heap[this.#size] ?? 0, at);
    this.#rise(at);
    this.#sink(at);
  }

  #rise(from: number): void {
    const slot = this.#heap[from] ?? 0;
    const due = this.#due(slot);
    let at = from;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = this.#heap[up] ?? 0;
      if (this.#due(parent) <= due) break;
      this.#place(parent, at);
      at = up;
    }
    this.#place(slot, at);
  }

  #sink(from: number): void {
    const slot = this.#heap[from] ?? 0;
    const due = this.#due(slot);
    let at = from;
    for (let down = 2 * at + 1; down < this.#size; down = 2 * at + 1) {
      const right = down + 1;
      if (right < this.#size && this.#due(this.#heap[right] ?? 0) < this.#due(this.#heap[down] ?? 0))
        down = right;
      const child = this.#heap[down] ?? 0;
      if (this.#due(child) >= due) break;
      this.#place(child, at);
      at = down;
    }
    this.#place(slot, at);
  }

  #grow(): void {
    const slots = 2 * this.#dues.length;
    const heap = new Uint32Array(slots);
    heap.set(this.#heap);
    this.#heap = heap;
    const dues = new Float64Array(slots);
    dues.set(this.#dues);
    this.#dues = dues;
    const places = new Int32Array(slots).fill(NOWHERE);
    places.set(this.#places);
    this.#places = places;
  }
}
